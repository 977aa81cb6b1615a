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
// # Sessions
//
// A session begins with a login through any listener of a [Server] and ends with a logout,
// with its connection, when the engine ends it, or when its initiator logs in again under the
// same names and ISID: the new session then begins when the last command of the old one has ended
// (RFC 7143 6.3.5). [Server.Shutdown] asks initiators to log out, [Server.CloseSession]
// sends one away.
//
// Commands are taken in the order of their CmdSN. The command window is what the engine
// lets in at once: it closes while that many are in progress. A PDU that is rejected leaves a
// gap in the order; what comes behind it waits, up to a bound, until the initiator has
// filled the gap. Data-out that is not as agreed ends its command with CHECK CONDITION, and
// a wrong data digest with that and a Reject; a wrong header digest ends the connection.
//
// # Limits
//
// [Options] bound connections, in all and from one address, logins, sessions and times. An
// initiator that does not read its answers holds up nobody but itself, and one that floods takes
// no more of the processors than others: where all of them are busy, connections take turns
// of about a hundred microseconds. (In a task set that nexuses share, TST 0, an initiator that does
// not read also holds up ORDERED tasks of the others while data of its READs is to be sent from a
// file's mapping, for [Options].SendTimeout at most.)
//
// # Memory
//
// A connection over TCP that is idle takes some 30 KiB, its goroutine and the engine's session
// with one logical unit and a few commands included. A net.Conn that is no plain TCP or Unix
// socket keeps its receive buffer besides. What an initiator can make the server hold beyond that
// is the data of its commands, which the engine's memory limit bounds, and outside of that limit
// for each connection
//
//	a receive buffer, while there is input    64 KiB
//	a batch of answers, while it is sent      48 KiB
//	commands                                  1.2 KiB each, as many as the window lets in
//	the data of a PDU to be handled whole     MaxRecvDataSegmentLength, at most
//	requests that wait for a gap to close     1 MiB
//	answers other than those to commands      1 MiB of data, 0.6 MiB beside
//
// so about 4 MiB at worst with a window of 1024, and some 100 KiB for an initiator that behaves.
// Buffers and batches are pooled and go with the collector's next rounds, buffers of data with
// the purge of their [sgv.Pool], and the commands that a burst needed with [engine.Session.Trim],
// which a connection calls every ten seconds.
//
// # Processors
//
// A connection that has nothing to do sleeps. With [Options].BusyPoll it looks for more for a
// while before, so that an initiator that sends one command at a time does not wait for the
// system to wake it, for a processor that is busy meanwhile. Then it sleeps as any other.
//
// A connection that always has something to do never sleeps, and has to give way. On Linux its
// reader does so every 100 µs, or every millisecond on a server with no other connection: other
// goroutines that can run have their turn then, those of the program around it included. While
// readers keep all of GOMAXPROCS processors busy, and once a millisecond beside other connections
// in any case, it also waits until the runtime has asked the system what has come for connections
// that sleep, which nobody else would ask for up to 10 ms.
// Elsewhere, and for a net.Conn that is no plain socket, Go's scheduler alone sees to that.
//
// # Inside
//
// The login is a pure step function over PDUs (login.go) on top of a negotiator over a
// table of keys (negotiate.go, keys.go), and text in full-feature phase is another
// (exchange.go, discovery.go): none of them knows sockets, time or locks. The headers are
// in internal/pdu.
//
// A connection has one goroutine, the reader (rx.go, dispatch.go). It handles all PDUs of
// one read and submits each command on its own stack; data-out is received into the buffer
// of its command (r2t.go, dataout.go). Answers are queued (txqueue.go) and leave in vectored
// writes straight from the buffers of their commands (tx.go, txbatch.go, txbuild.go). Whoever
// queues an answer that nobody else will take care of writes it, without ever waiting for the
// socket; only while that is full a goroutine is started to wait. Busy polling is in poll.go,
// giving way in stint.go and round_linux.go.
package iscsi
