// Package wire is what both ends of the speed comparison need of iSCSI: the few header
// bytes that they write and read, and a socket with as little around it as possible.
//
// Only the packages of internal/bench import it. It is no iSCSI implementation: what a
// peer sends is looked at as far as the measurement depends on it.
package wire
