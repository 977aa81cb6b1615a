package pdu

// DataOut is a SCSI Data-Out PDU (RFC 7143 11.7). It has no CmdSN.
type DataOut struct{ taggedRequest }

// DataOut returns h seen as a Data-Out.
func (h *Header) DataOut() DataOut { return DataOut{taggedRequest{Request{h}}} }

// InitDataOut clears h and makes it a Data-Out for no R2T: unsolicited data.
func (h *Header) InitDataOut() DataOut {
	h.Init(OpDataOut)
	h.DataOut().SetTTT(ReservedTag)
	return h.DataOut()
}

// DataSN returns the number of the PDU within its sequence.
func (d DataOut) DataSN() uint32 { return d.u32(36) }

// SetDataSN sets the number of the PDU within its sequence.
func (d DataOut) SetDataSN(sn uint32) { d.setU32(36, sn) }

// Offset returns the Buffer Offset in bytes.
func (d DataOut) Offset() uint32 { return d.u32(40) }

// SetOffset sets the Buffer Offset in bytes.
func (d DataOut) SetOffset(off uint32) { d.setU32(40, off) }

// DataIn is a SCSI Data-In PDU (RFC 7143 11.7).
type DataIn struct{ taggedResponse }

// DataIn returns h seen as a Data-In.
func (h *Header) DataIn() DataIn { return DataIn{taggedResponse{Response{h}}} }

// InitDataIn clears h and makes it a Data-In that asks for no acknowledgement.
func (h *Header) InitDataIn() DataIn {
	h.Init(OpDataIn)
	h.DataIn().SetTTT(ReservedTag)
	return h.DataIn()
}

// Ack reports whether the A bit is set: the target asks for a DataACK SNACK.
func (d DataIn) Ack() bool { return d.bit(1, 0x40) }

// SetAck sets or clears the A bit.
func (d DataIn) SetAck(on bool) { d.setBit(1, 0x40, on) }

// HasStatus reports whether the S bit is set: the PDU ends its command.
func (d DataIn) HasStatus() bool { return d.bit(1, 0x01) }

// Status returns the SCSI status code; it means something if HasStatus.
func (d DataIn) Status() uint8 { return d.Header[3] }

// SetStatus sets the SCSI status code, the S bit and with it the F bit, without which
// S is not allowed.
func (d DataIn) SetStatus(s uint8) {
	d.Header[3] = s
	d.Header[1] |= flagFinal | 0x01
}

// DataSN returns the number of the PDU within its command.
func (d DataIn) DataSN() uint32 { return d.u32(36) }

// SetDataSN sets the number of the PDU within its command.
func (d DataIn) SetDataSN(sn uint32) { d.setU32(36, sn) }

// Offset returns the Buffer Offset in bytes.
func (d DataIn) Offset() uint32 { return d.u32(40) }

// SetOffset sets the Buffer Offset in bytes.
func (d DataIn) SetOffset(off uint32) { d.setU32(40, off) }

// Residual returns the residual count in bytes and its flags; they mean something if
// HasStatus.
func (d DataIn) Residual() (n uint32, overflow, underflow bool) {
	return d.u32(44), d.bit(1, flagOverflow), d.bit(1, flagUnderflow)
}

// SetOverflow sets the residual count to n bytes and the O flag.
func (d DataIn) SetOverflow(n uint32) { d.residual(44, n, flagOverflow, flagUnderflow) }

// SetUnderflow sets the residual count to n bytes and the U flag.
func (d DataIn) SetUnderflow(n uint32) { d.residual(44, n, flagUnderflow, flagOverflow) }

// R2T is a Ready To Transfer PDU (RFC 7143 11.8). Its StatSN is the next one to be
// used; it does not take one.
type R2T struct{ taggedResponse }

// R2T returns h seen as a Ready To Transfer.
func (h *Header) R2T() R2T { return R2T{taggedResponse{Response{h}}} }

// InitR2T clears h and makes it a Ready To Transfer.
func (h *Header) InitR2T() R2T {
	h.Init(OpR2T)
	h.SetFinal(true)
	return h.R2T()
}

// R2TSN returns the number of the PDU within its command.
func (r R2T) R2TSN() uint32 { return r.u32(36) }

// SetR2TSN sets the number of the PDU within its command.
func (r R2T) SetR2TSN(sn uint32) { r.setU32(36, sn) }

// Offset returns the Buffer Offset in bytes.
func (r R2T) Offset() uint32 { return r.u32(40) }

// DesiredLen returns the Desired Data Transfer Length in bytes.
func (r R2T) DesiredLen() uint32 { return r.u32(44) }

// SetRange asks for the n bytes from off on.
func (r R2T) SetRange(off, n uint32) {
	r.setU32(40, off)
	r.setU32(44, n)
}
