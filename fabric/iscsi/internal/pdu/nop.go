package pdu

// NOPOut is a NOP-Out PDU (RFC 7143 11.18).
type NOPOut struct{ taggedRequest }

// NOPOut returns h seen as a NOP-Out.
func (h *Header) NOPOut() NOPOut { return NOPOut{taggedRequest{Request{h}}} }

// InitNOPOut clears h and makes it a NOP-Out that answers nothing.
func (h *Header) InitNOPOut() NOPOut {
	h.Init(OpNOPOut)
	h.SetFinal(true)
	h.NOPOut().SetTTT(ReservedTag)
	return h.NOPOut()
}

// NOPIn is a NOP-In PDU (RFC 7143 11.19). With an Initiator Task Tag of ReservedTag its
// StatSN is the next one to be used; it does not take one.
type NOPIn struct{ taggedResponse }

// NOPIn returns h seen as a NOP-In.
func (h *Header) NOPIn() NOPIn { return NOPIn{taggedResponse{Response{h}}} }

// InitNOPIn clears h and makes it a NOP-In that neither answers nor asks.
func (h *Header) InitNOPIn() NOPIn {
	h.Init(OpNOPIn)
	h.SetFinal(true)
	h.SetITT(ReservedTag)
	h.NOPIn().SetTTT(ReservedTag)
	return h.NOPIn()
}
