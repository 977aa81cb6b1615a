// Package null is a backstore without storage: it discards what is written and reads as zeroes.
//
// It shows what everything above a store costs, and serves initiators that test error handling of
// their own. No method blocks or allocates.
package null
