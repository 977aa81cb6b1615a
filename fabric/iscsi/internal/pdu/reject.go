package pdu

// RejectReason is the reason code of a Reject (RFC 7143 11.17.1).
type RejectReason uint8

// Reasons for a Reject.
const (
	RejectNone             RejectReason = 0x00 // reserved; no reject
	RejectDataDigest       RejectReason = 0x02
	RejectSNACK            RejectReason = 0x03
	RejectProtocolError    RejectReason = 0x04
	RejectNotSupported     RejectReason = 0x05
	RejectTooManyImmediate RejectReason = 0x06
	RejectTaskInProgress   RejectReason = 0x07
	RejectInvalidDataAck   RejectReason = 0x08
	RejectInvalidField     RejectReason = 0x09
	RejectLongOperation    RejectReason = 0x0A // no Target Transfer Tag to be had
	RejectDeprecated       RejectReason = 0x0B // negotiation reset of RFC 3720
	RejectWaitingForLogout RejectReason = 0x0C
)

// String names r as RFC 7143 does.
func (r RejectReason) String() string {
	switch r {
	case RejectNone:
		return "No reject"
	case RejectDataDigest:
		return "Data (payload) digest error"
	case RejectSNACK:
		return "SNACK reject"
	case RejectProtocolError:
		return "Protocol error"
	case RejectNotSupported:
		return "Command not supported"
	case RejectTooManyImmediate:
		return "Immediate command reject: too many immediate commands"
	case RejectTaskInProgress:
		return "Task in progress"
	case RejectInvalidDataAck:
		return "Invalid data ACK"
	case RejectInvalidField:
		return "Invalid PDU field"
	case RejectLongOperation:
		return "Long operation reject: can't generate Target Transfer Tag"
	case RejectDeprecated:
		return "Negotiation reset"
	case RejectWaitingForLogout:
		return "Waiting for logout"
	}
	return number("reject reason", uint64(r))
}

// Reject is a Reject PDU (RFC 7143 11.17). Its data is the header of the rejected PDU.
type Reject struct{ Response }

// Reject returns h seen as a Reject.
func (h *Header) Reject() Reject { return Reject{Response{h}} }

// InitReject clears h and makes it a Reject whose data will be one header.
func (h *Header) InitReject(r RejectReason) Reject {
	h.Init(OpReject)
	h.SetFinal(true)
	h.SetITT(ReservedTag)
	h[2] = byte(r)
	h.SetDataLen(HeaderLen)
	return h.Reject()
}

// Reason returns the reason code.
func (r Reject) Reason() RejectReason { return RejectReason(r.Header[2]) }

// DataSN returns the next DataSN or R2TSN of the rejected command; it is meaningful for a
// Reject of a SNACK.
func (r Reject) DataSN() uint32 { return r.u32(36) }

// SetDataSN sets the next DataSN or R2TSN.
func (r Reject) SetDataSN(sn uint32) { r.setU32(36, sn) }
