package pdu

// SNACKType is the kind of a SNACK Request (RFC 7143 11.16.1).
type SNACKType uint8

// Kinds of SNACK Requests.
const (
	SNACKData    SNACKType = 0 // Data-In or R2T to be sent again
	SNACKStatus  SNACKType = 1 // responses to be sent again
	SNACKDataAck SNACKType = 2 // acknowledges Data-In
	SNACKRData   SNACKType = 3 // Data-In to be sent again in other pieces
)

// String names t as RFC 7143 does.
func (t SNACKType) String() string {
	switch t {
	case SNACKData:
		return "Data/R2T SNACK"
	case SNACKStatus:
		return "Status SNACK"
	case SNACKDataAck:
		return "DataACK"
	case SNACKRData:
		return "R-Data SNACK"
	}
	return number("SNACK type", uint64(t))
}

// SNACK is a SNACK Request PDU (RFC 7143 11.16). It has no CmdSN.
type SNACK struct{ taggedRequest }

// SNACK returns h seen as a SNACK Request.
func (h *Header) SNACK() SNACK { return SNACK{taggedRequest{Request{h}}} }

// InitSNACK clears h and makes it a SNACK Request.
func (h *Header) InitSNACK(t SNACKType) SNACK {
	h.Init(OpSNACK)
	h[1] = flagFinal | byte(t&0x0F)
	return h.SNACK()
}

// Type returns the kind of request, which may be a reserved one.
func (s SNACK) Type() SNACKType { return SNACKType(s.Header[1] & 0x0F) }

// Run returns the first missing number and how many are missing; 0 means all from begin on.
func (s SNACK) Run() (begin, length uint32) { return s.u32(40), s.u32(44) }

// SetRun sets the first missing number and how many are missing.
func (s SNACK) SetRun(begin, length uint32) {
	s.setU32(40, begin)
	s.setU32(44, length)
}
