package pdu

// CheckRequest reports why a target has to reject the header h of an initiator's PDU,
// or RejectNone. It checks what the header alone shows: a known operation code, the bits
// that RFC 7143 11 fixes or forbids together, additional header segments and data where
// there are none. Reserved bits and fields are ignored, as receivers have to. Whether the
// PDU fits the session (sequence numbers, tags, negotiated lengths) is for the caller.
func CheckRequest(h *Header) RejectReason {
	op := h.Opcode()
	if !op.FromInitiator() {
		return RejectNotSupported
	}
	if h.AHSLen() != 0 && op != OpSCSICommand {
		return RejectInvalidField
	}
	switch op {
	case OpSCSICommand:
		return checkCommand(h.SCSICommand())
	case OpNOPOut:
		return needFinal(h)
	case OpTaskRequest, OpLogoutReq, OpSNACK:
		if h.DataLen() != 0 {
			return RejectInvalidField
		}
		return needFinal(h)
	case OpTextRequest:
		if t := h.TextRequest(); t.Final() && t.Continue() {
			return RejectInvalidField
		}
	case OpLoginRequest:
		if l := h.LoginRequest(); l.Transit() && l.Continue() {
			return RejectInvalidField
		}
	}
	return RejectNone
}

// checkCommand applies RFC 7143 11.3.1: without F unsolicited data follows, so W has to
// be set, and a transfer needs a direction.
func checkCommand(c SCSICommand) RejectReason {
	if !c.Final() && !c.Write() {
		return RejectInvalidField
	}
	if c.ExpectedLen() != 0 && !c.Read() && !c.Write() {
		return RejectInvalidField
	}
	return RejectNone
}

func needFinal(h *Header) RejectReason {
	if !h.Final() {
		return RejectProtocolError
	}
	return RejectNone
}
