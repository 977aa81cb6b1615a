package pdu

// Sequence numbers (CmdSN, StatSN, DataSN) wrap around and are compared as RFC 1982
// says with 32 bits (RFC 7143 4.2.2.1).

// Diff returns a-b: positive if a comes after b, negative if before, 0 if equal. Two
// numbers 2**31 apart have no order; Diff is negative both ways then.
func Diff(a, b uint32) int32 { return int32(a - b) }

// Less reports whether a comes before b.
func Less(a, b uint32) bool { return int32(a-b) < 0 && a-b != 1<<31 }

// LessEq reports whether a comes before b or is b.
func LessEq(a, b uint32) bool { return a == b || Less(a, b) }

// InWindow reports whether sn lies in [first, last]. A window with last before first is
// empty: a target closes its command window that way (RFC 7143 4.2.2.1).
func InWindow(sn, first, last uint32) bool {
	return LessEq(first, sn) && LessEq(sn, last)
}
