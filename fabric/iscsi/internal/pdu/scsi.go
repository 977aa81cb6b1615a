package pdu

// CDBLen is the length in bytes of the CDB field of a SCSI Command. Longer CDBs
// continue in an additional header segment.
const CDBLen = 16

// TaskAttr is the task attribute of a SCSI Command (RFC 7143 11.3.1).
type TaskAttr uint8

// Task attributes. The values 5 to 7 are reserved.
const (
	AttrUntagged    TaskAttr = 0
	AttrSimple      TaskAttr = 1
	AttrOrdered     TaskAttr = 2
	AttrHeadOfQueue TaskAttr = 3
	AttrACA         TaskAttr = 4
)

// String names a as RFC 7143 does.
func (a TaskAttr) String() string {
	switch a {
	case AttrUntagged:
		return "Untagged"
	case AttrSimple:
		return "Simple"
	case AttrOrdered:
		return "Ordered"
	case AttrHeadOfQueue:
		return "Head of Queue"
	case AttrACA:
		return "ACA"
	}
	return number("task attribute", uint64(a))
}

// SCSICommand is a SCSI Command PDU (RFC 7143 11.3).
type SCSICommand struct{ Request }

// SCSICommand returns h seen as a SCSI Command.
func (h *Header) SCSICommand() SCSICommand { return SCSICommand{Request{h}} }

// InitSCSICommand clears h and makes it a SCSI Command with F set.
func (h *Header) InitSCSICommand() SCSICommand {
	h.Init(OpSCSICommand)
	h.SetFinal(true)
	return h.SCSICommand()
}

// Read reports whether the R bit is set: the initiator expects data.
func (c SCSICommand) Read() bool { return c.bit(1, 0x40) }

// SetRead sets or clears the R bit.
func (c SCSICommand) SetRead(on bool) { c.setBit(1, 0x40, on) }

// Write reports whether the W bit is set: the initiator has data to send.
func (c SCSICommand) Write() bool { return c.bit(1, 0x20) }

// SetWrite sets or clears the W bit.
func (c SCSICommand) SetWrite(on bool) { c.setBit(1, 0x20, on) }

// Attr returns the task attribute, which may be a reserved one.
func (c SCSICommand) Attr() TaskAttr { return TaskAttr(c.Header[1] & 7) }

// SetAttr sets the task attribute.
func (c SCSICommand) SetAttr(a TaskAttr) { c.Header[1] = c.Header[1]&^7 | byte(a&7) }

// ExpectedLen returns the Expected Data Transfer Length in bytes: that of the write
// if W is set, else that of the read.
func (c SCSICommand) ExpectedLen() uint32 { return c.u32(20) }

// SetExpectedLen sets the Expected Data Transfer Length in bytes.
func (c SCSICommand) SetExpectedLen(n uint32) { c.setU32(20, n) }

// CDB returns the CDB field as a view into the header.
func (c SCSICommand) CDB() []byte { return c.Header[32:48:48] }

// SetCDB copies the first CDBLen bytes of cdb and clears what cdb does not fill.
func (c SCSICommand) SetCDB(cdb []byte) {
	f := c.Header[32:48]
	clear(f[copy(f, cdb):])
}

// ServiceResponse is the Response field of a SCSI Response (RFC 7143 11.4.3).
type ServiceResponse uint8

// Service responses. Those of 0x80 and above are vendor specific.
const (
	ResponseCompleted     ServiceResponse = 0x00
	ResponseTargetFailure ServiceResponse = 0x01
)

// String names r as RFC 7143 does.
func (r ServiceResponse) String() string {
	switch r {
	case ResponseCompleted:
		return "Command completed at target"
	case ResponseTargetFailure:
		return "Target failure"
	}
	return number("response", uint64(r))
}

// Residual flags of SCSI Response and Data-In.
const (
	flagBidiOverflow  = 0x10
	flagBidiUnderflow = 0x08
	flagOverflow      = 0x04
	flagUnderflow     = 0x02
)

// SCSIResponse is a SCSI Response PDU (RFC 7143 11.4).
type SCSIResponse struct{ Response }

// SCSIResponse returns h seen as a SCSI Response.
func (h *Header) SCSIResponse() SCSIResponse { return SCSIResponse{Response{h}} }

// InitSCSIResponse clears h and makes it a SCSI Response.
func (h *Header) InitSCSIResponse() SCSIResponse {
	h.Init(OpSCSIResponse)
	h.SetFinal(true)
	return h.SCSIResponse()
}

// Service returns the Response field.
func (r SCSIResponse) Service() ServiceResponse { return ServiceResponse(r.Header[2]) }

// SetService sets the Response field.
func (r SCSIResponse) SetService(v ServiceResponse) { r.Header[2] = byte(v) }

// Status returns the SCSI status code; it means something after ResponseCompleted only.
func (r SCSIResponse) Status() uint8 { return r.Header[3] }

// SetStatus sets the SCSI status code.
func (r SCSIResponse) SetStatus(s uint8) { r.Header[3] = s }

// SNACKTag returns the SNACK Tag.
func (r SCSIResponse) SNACKTag() uint32 { return r.u32(20) }

// SetSNACKTag sets the SNACK Tag.
func (r SCSIResponse) SetSNACKTag(tag uint32) { r.setU32(20, tag) }

// ExpDataSN returns the number of Data-In (read) or R2T PDUs sent for the command.
func (r SCSIResponse) ExpDataSN() uint32 { return r.u32(36) }

// SetExpDataSN sets the number of Data-In or R2T PDUs sent for the command.
func (r SCSIResponse) SetExpDataSN(n uint32) { r.setU32(36, n) }

// Residual returns the residual count in bytes and its flags: overflow, when the
// initiator's expected length was too small, or underflow, when it was not reached.
func (r SCSIResponse) Residual() (n uint32, overflow, underflow bool) {
	return r.u32(44), r.bit(1, flagOverflow), r.bit(1, flagUnderflow)
}

// SetOverflow sets the residual count to n bytes and the O flag.
func (r SCSIResponse) SetOverflow(n uint32) { r.residual(44, n, flagOverflow, flagUnderflow) }

// SetUnderflow sets the residual count to n bytes and the U flag.
func (r SCSIResponse) SetUnderflow(n uint32) { r.residual(44, n, flagUnderflow, flagOverflow) }

// BidiResidual returns the residual count of the read part of a bidirectional command.
func (r SCSIResponse) BidiResidual() (n uint32, overflow, underflow bool) {
	return r.u32(40), r.bit(1, flagBidiOverflow), r.bit(1, flagBidiUnderflow)
}

// SetBidiOverflow sets the bidirectional read residual count to n bytes and the o flag.
func (r SCSIResponse) SetBidiOverflow(n uint32) {
	r.residual(40, n, flagBidiOverflow, flagBidiUnderflow)
}

// SetBidiUnderflow sets the bidirectional read residual count to n bytes and the u flag.
func (r SCSIResponse) SetBidiUnderflow(n uint32) {
	r.residual(40, n, flagBidiUnderflow, flagBidiOverflow)
}

func (r Response) residual(at int, n uint32, set, unset byte) {
	r.setU32(at, n)
	r.setBit(1, unset, false)
	r.setBit(1, set, true)
}
