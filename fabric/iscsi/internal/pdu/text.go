package pdu

// TextRequest is a Text Request PDU (RFC 7143 11.10).
type TextRequest struct{ taggedRequest }

// TextRequest returns h seen as a Text Request.
func (h *Header) TextRequest() TextRequest { return TextRequest{taggedRequest{Request{h}}} }

// InitTextRequest clears h and makes it a Text Request that starts an exchange.
func (h *Header) InitTextRequest() TextRequest {
	h.Init(OpTextRequest)
	h.TextRequest().SetTTT(ReservedTag)
	return h.TextRequest()
}

// Continue reports whether the C bit is set: the text goes on in the next request.
func (t TextRequest) Continue() bool { return t.bit(1, flagContinue) }

// SetContinue sets or clears the C bit.
func (t TextRequest) SetContinue(on bool) { t.setBit(1, flagContinue, on) }

// TextResponse is a Text Response PDU (RFC 7143 11.11).
type TextResponse struct{ taggedResponse }

// TextResponse returns h seen as a Text Response.
func (h *Header) TextResponse() TextResponse { return TextResponse{taggedResponse{Response{h}}} }

// InitTextResponse clears h and makes it a Text Response that ends its exchange.
func (h *Header) InitTextResponse() TextResponse {
	h.Init(OpTextResponse)
	h.SetFinal(true)
	h.TextResponse().SetTTT(ReservedTag)
	return h.TextResponse()
}

// Continue reports whether the C bit is set: the text goes on in the next response.
func (t TextResponse) Continue() bool { return t.bit(1, flagContinue) }

// SetContinue sets or clears the C bit.
func (t TextResponse) SetContinue(on bool) { t.setBit(1, flagContinue, on) }
