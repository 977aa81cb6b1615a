// Package iscsi serves SCSI targets over iSCSI (RFC 7143).
//
// An application gives a Server an engine and a listener; initiators then discover the
// targets of the engine, log in to them and send commands. Nothing below is needed for
// that. Applications and tests import the package; device types and block stores do not.
//
// # Negotiation
//
// Initiator and target agree on the parameters of a session at login. [Offer] says what the
// target wants; its zero value is good for a fast network. What was agreed on is in
// [Params]. A key that the initiator does not bring up keeps its default, with one
// exception: a digest with [DigestRequired] is proposed by the target.
//
// A session has one connection and ErrorRecoveryLevel 0, and both are answered so.
// Markers, obsolete since RFC 7143, are answered No. Keys of the operational stage are
// taken in the security stage too.
//
// Names are compared in lower case. [CheckName] says whether a name for a target is valid;
// names of initiators may have any form. Unicode normalization (NFKC), which RFC 3722 asks
// for, is not done: names outside ASCII are equal if their lower-case code points are.
//
// # Discovery
//
// A discovery session lists the targets that its initiator may see with SendTargets=All.
// In a normal session SendTargets tells of the session's own target only. RFC 7143
// Appendix C forbids SendTargets=All there; it is answered as if it had no value, since
// initiators send it.
//
// # Inside
//
// The login is a pure step function over PDUs (login.go) on top of a negotiator over a
// table of keys (negotiate.go, keys.go), and text in full-feature phase is another
// (exchange.go, discovery.go): none of them knows sockets, time or locks. The headers are
// in internal/pdu.
package iscsi
