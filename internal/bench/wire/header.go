package wire

import "encoding/binary"

// HeaderLen is the length of a basic header segment in bytes (RFC 7143 11.2.1).
const HeaderLen = 48

// Opcodes without the bit for immediate delivery (RFC 7143 11.2.1.2).
const (
	OpNopOut    = 0x00
	OpCommand   = 0x01
	OpLogin     = 0x03
	OpDataOut   = 0x05
	OpLogout    = 0x06
	OpNopIn     = 0x20
	OpResponse  = 0x21
	OpLoginResp = 0x23
	OpDataIn    = 0x25
	OpLogoutRes = 0x26
	OpR2T       = 0x31
	OpAsync     = 0x32
	OpReject    = 0x3f
)

// Bits of the first two bytes.
const (
	Immediate   = 0x40 // of byte 0: the PDU has no number of its own
	Final       = 0x80 // of byte 1
	FlagRead    = 0x40 // of byte 1 of a command
	FlagWrite   = 0x20 // of byte 1 of a command
	AttrSimple  = 0x01 // of byte 1 of a command
	HasStatus   = 0x01 // of byte 1 of a Data-In
	Transit     = 0x80 // of byte 1 of a login
	Continue    = 0x40 // of byte 1 of a login
	Underflow   = 0x02 // of byte 1 of a response
	Overflow    = 0x04 // of byte 1 of a response
	StageParams = 1    // of a login: negotiation of parameters
	StageFull   = 3    // of a login: the full feature phase
)

// NoTag is the tag that stands for none.
const NoTag = 0xffffffff

// SCSI operation codes that the comparison uses.
const (
	TestUnitReady = 0x00
	ReadCapacity  = 0x25
	Read10        = 0x28
	Write10       = 0x2a
)

// Header is a basic header segment: at least HeaderLen bytes.
type Header []byte

// Op returns the opcode.
func (h Header) Op() byte { return h[0] & 0x3f }

// DataLen returns the length of the data segment in bytes, without padding.
func (h Header) DataLen() int { return int(h[5])<<16 | int(h[6])<<8 | int(h[7]) }

// SetDataLen sets the length of the data segment, less than 16 MiB.
func (h Header) SetDataLen(n int) { h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n) }

// DataAt returns where the data segment begins, counted from the header: additional header
// segments are in between. There are no digests.
func (h Header) DataAt() int { return HeaderLen + int(h[4])*4 }

// Len returns the length of the whole PDU in bytes, padding included.
func (h Header) Len() int { return h.DataAt() + Pad(h.DataLen()) }

// Get returns the 32 bits at byte i.
func (h Header) Get(i int) uint32 { return binary.BigEndian.Uint32(h[i:]) }

// Put sets the 32 bits at byte i.
func (h Header) Put(i int, v uint32) { binary.BigEndian.PutUint32(h[i:], v) }

// Fields of 32 bits, by the byte where they begin (RFC 7143 11). A name is that of all the
// PDUs that have the field there.
const (
	Tag      = 16 // initiator task tag
	Expected = 20 // command: expected data transfer length
	TTT      = 20 // target transfer tag
	CmdSN    = 24 // from the initiator
	StatSN   = 24 // from the target
	ExpStat  = 28 // from the initiator
	ExpCmd   = 28 // from the target
	MaxCmd   = 32 // from the target
	DataSN   = 36
	Offset   = 40 // buffer offset
	Desired  = 44 // R2T: desired data transfer length
	CDB      = 32 // command: 16 bytes
)

// Pad rounds n up to the four bytes to which segments are padded.
func Pad(n int) int { return (n + 3) &^ 3 }
