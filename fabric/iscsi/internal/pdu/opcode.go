package pdu

import "strconv"

// HeaderLen is the length in bytes of a basic header segment (RFC 7143 11.2.1).
const HeaderLen = 48

// MaxDataLen is the largest data segment, in bytes, that a header can announce.
const MaxDataLen = 1<<24 - 1

// ReservedTag is an Initiator Task Tag or Target Transfer Tag that stands for none.
const ReservedTag uint32 = 0xFFFFFFFF

// Opcode is the operation code of a PDU (RFC 7143 11.2.1.2).
type Opcode uint8

// Operation codes. Those below 0x20 come from the initiator.
const (
	OpNOPOut       Opcode = 0x00
	OpSCSICommand  Opcode = 0x01
	OpTaskRequest  Opcode = 0x02
	OpLoginRequest Opcode = 0x03
	OpTextRequest  Opcode = 0x04
	OpDataOut      Opcode = 0x05
	OpLogoutReq    Opcode = 0x06
	OpSNACK        Opcode = 0x10

	OpNOPIn         Opcode = 0x20
	OpSCSIResponse  Opcode = 0x21
	OpTaskResponse  Opcode = 0x22
	OpLoginResponse Opcode = 0x23
	OpTextResponse  Opcode = 0x24
	OpDataIn        Opcode = 0x25
	OpLogoutResp    Opcode = 0x26
	OpR2T           Opcode = 0x31
	OpAsync         Opcode = 0x32
	OpReject        Opcode = 0x3F
)

// FromInitiator reports whether o is an operation code that initiators send.
func (o Opcode) FromInitiator() bool {
	return o <= OpLogoutReq || o == OpSNACK
}

// FromTarget reports whether o is an operation code that targets send.
func (o Opcode) FromTarget() bool {
	return o >= OpNOPIn && o <= OpLogoutResp || o == OpR2T || o == OpAsync || o == OpReject
}

// String names o as RFC 7143 does.
func (o Opcode) String() string {
	switch o {
	case OpNOPOut:
		return "NOP-Out"
	case OpSCSICommand:
		return "SCSI Command"
	case OpTaskRequest:
		return "Task Management Request"
	case OpLoginRequest:
		return "Login Request"
	case OpTextRequest:
		return "Text Request"
	case OpDataOut:
		return "Data-Out"
	case OpLogoutReq:
		return "Logout Request"
	case OpSNACK:
		return "SNACK Request"
	case OpNOPIn:
		return "NOP-In"
	case OpSCSIResponse:
		return "SCSI Response"
	case OpTaskResponse:
		return "Task Management Response"
	case OpLoginResponse:
		return "Login Response"
	case OpTextResponse:
		return "Text Response"
	case OpDataIn:
		return "Data-In"
	case OpLogoutResp:
		return "Logout Response"
	case OpR2T:
		return "R2T"
	case OpAsync:
		return "Asynchronous Message"
	case OpReject:
		return "Reject"
	}
	return number("opcode", uint64(o))
}

// number is the name of a code that has none.
func number(kind string, v uint64) string {
	return kind + " 0x" + strconv.FormatUint(v, 16)
}
