// Package load is the load generator of internal/bench: an iSCSI initiator (RFC 7143)
// written for speed.
//
// Each connection is a session of its own with a thread of its own, and keeps a fixed number
// of commands in progress. What one read from the socket brings is answered by one write
// with the new commands, as a busy initiator does. A connection allocates nothing for a
// command, and reads the clock twice for each batch.
//
// It speaks what it needs: no digests, no authentication, no error recovery, unsolicited
// data only with the command. What a target must not send ends the run with an error; a
// command that fails, or whose data are not what they should be, is counted.
package load
