package pdu

import "encoding/binary"

// Bits of byte 1 that several PDUs share.
const (
	flagFinal    = 0x80 // F, or T of a login
	flagContinue = 0x40 // C of text and login
)

// Header is a basic header segment in wire form (RFC 7143 11.2.1). The zero value is
// a NOP-Out without its F bit. The accessors of Header are those fields that have the
// same place in all PDUs; the others are reached through a view such as SCSICommand.
type Header [HeaderLen]byte

// FromBytes returns the header at the start of b as a view into b, not a copy, and
// false if b is shorter than HeaderLen.
func FromBytes(b []byte) (*Header, bool) {
	if len(b) < HeaderLen {
		return nil, false
	}
	return (*Header)(b), true
}

// Init clears h and sets its operation code.
func (h *Header) Init(o Opcode) {
	*h = Header{}
	h[0] = byte(o & 0x3F)
}

// Opcode returns the operation code.
func (h *Header) Opcode() Opcode { return Opcode(h[0] & 0x3F) }

// Immediate reports whether the I bit is set: the request is for immediate delivery
// and takes no place in the command order (RFC 7143 4.2.2.1).
func (h *Header) Immediate() bool { return h[0]&0x40 != 0 }

// SetImmediate sets or clears the I bit.
func (h *Header) SetImmediate(on bool) { h.setBit(0, 0x40, on) }

// Final reports whether the F bit is set. In a login the same bit is called T.
func (h *Header) Final() bool { return h[1]&flagFinal != 0 }

// SetFinal sets or clears the F bit.
func (h *Header) SetFinal(on bool) { h.setBit(1, flagFinal, on) }

// AHSLen returns the length in bytes of the additional header segments, at most 1020.
func (h *Header) AHSLen() int { return int(h[4]) * 4 }

// SetAHSLen sets the length in bytes of the additional header segments. n is a multiple
// of 4 and at most MaxAHSLen, as the AppendX functions make it.
func (h *Header) SetAHSLen(n int) { h[4] = byte(n / 4) }

// DataLen returns the length in bytes of the data segment without its padding.
func (h *Header) DataLen() int {
	return int(h[5])<<16 | int(h[6])<<8 | int(h[7])
}

// SetDataLen sets the length in bytes of the data segment, at most MaxDataLen.
func (h *Header) SetDataLen(n int) {
	h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n)
}

// PaddedDataLen returns DataLen with its padding: what is on the wire.
func (h *Header) PaddedDataLen() int { return (h.DataLen() + 3) &^ 3 }

// PadLen returns the number of zero bytes behind the data segment, 0 to 3.
func (h *Header) PadLen() int { return Pad(h.DataLen()) }

// WireLen returns the length in bytes of the whole PDU: header, additional header
// segments, data with padding, and the digests that are in use.
func (h *Header) WireLen(headerDigest, dataDigest bool) int {
	n := HeaderLen + h.AHSLen() + h.PaddedDataLen()
	if headerDigest {
		n += DigestLen
	}
	if dataDigest && h.DataLen() > 0 {
		n += DigestLen
	}
	return n
}

// LUN returns the eight bytes of the LUN field as a big-endian number; it is meaningful
// in the PDUs that have one.
func (h *Header) LUN() uint64 { return binary.BigEndian.Uint64(h[8:16]) }

// SetLUN sets the LUN field.
func (h *Header) SetLUN(lun uint64) { binary.BigEndian.PutUint64(h[8:16], lun) }

// ITT returns the Initiator Task Tag. Its bytes mean nothing to a target, so their
// order is of no account.
func (h *Header) ITT() uint32 { return h.u32(16) }

// SetITT sets the Initiator Task Tag.
func (h *Header) SetITT(tag uint32) { h.setU32(16, tag) }

// Request is the view of what all PDUs of initiators share (RFC 7143 11.2).
// CmdSN is reserved in Data-Out and SNACK.
type Request struct{ *Header }

// Request returns h seen as any PDU of an initiator.
func (h *Header) Request() Request { return Request{h} }

// CmdSN returns the command sequence number.
func (r Request) CmdSN() uint32 { return r.u32(24) }

// SetCmdSN sets the command sequence number.
func (r Request) SetCmdSN(sn uint32) { r.setU32(24, sn) }

// ExpStatSN returns the status sequence number that the initiator expects next.
func (r Request) ExpStatSN() uint32 { return r.u32(28) }

// SetExpStatSN sets the status sequence number that is expected next.
func (r Request) SetExpStatSN(sn uint32) { r.setU32(28, sn) }

// taggedRequest is a Request with a Target Transfer Tag.
type taggedRequest struct{ Request }

// TTT returns the Target Transfer Tag.
func (r taggedRequest) TTT() uint32 { return r.u32(20) }

// SetTTT sets the Target Transfer Tag.
func (r taggedRequest) SetTTT(tag uint32) { r.setU32(20, tag) }

// Response is the view of what all PDUs of targets share (RFC 7143 11.2). StatSN is
// reserved in a Data-In without status.
type Response struct{ *Header }

// Response returns h seen as any PDU of a target.
func (h *Header) Response() Response { return Response{h} }

// StatSN returns the status sequence number.
func (r Response) StatSN() uint32 { return r.u32(24) }

// SetStatSN sets the status sequence number.
func (r Response) SetStatSN(sn uint32) { r.setU32(24, sn) }

// ExpCmdSN returns the command sequence number that the target expects next.
func (r Response) ExpCmdSN() uint32 { return r.u32(28) }

// MaxCmdSN returns the last command sequence number that the target takes.
func (r Response) MaxCmdSN() uint32 { return r.u32(32) }

// SetWindow sets ExpCmdSN and MaxCmdSN.
func (r Response) SetWindow(expCmdSN, maxCmdSN uint32) {
	r.setU32(28, expCmdSN)
	r.setU32(32, maxCmdSN)
}

// taggedResponse is a Response with a Target Transfer Tag.
type taggedResponse struct{ Response }

// TTT returns the Target Transfer Tag.
func (r taggedResponse) TTT() uint32 { return r.u32(20) }

// SetTTT sets the Target Transfer Tag.
func (r taggedResponse) SetTTT(tag uint32) { r.setU32(20, tag) }

// Pad returns the number of bytes that bring n to a multiple of 4.
func Pad(n int) int { return -n & 3 }

func (h *Header) u16(i int) uint16 { return binary.BigEndian.Uint16(h[i : i+2]) }

func (h *Header) setU16(i int, v uint16) { binary.BigEndian.PutUint16(h[i:i+2], v) }

func (h *Header) u32(i int) uint32 { return binary.BigEndian.Uint32(h[i : i+4]) }

func (h *Header) setU32(i int, v uint32) { binary.BigEndian.PutUint32(h[i:i+4], v) }

func (h *Header) bit(i int, mask byte) bool { return h[i]&mask != 0 }

func (h *Header) setBit(i int, mask byte, on bool) {
	if on {
		h[i] |= mask
	} else {
		h[i] &^= mask
	}
}
