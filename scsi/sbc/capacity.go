package sbc

import "encoding/binary"

// Capacity is READ CAPACITY(16) parameter data (SBC-3 5.16).
type Capacity struct {
	LastLBA       uint64 // of the unit, or before the next delay if PMI is set
	BlockSize     uint32 // bytes
	RCBasis       uint8  // RC BASIS, of zoned devices
	ProtEnabled   bool   // PROT_EN
	PType         uint8  // P_TYPE: protection type less one
	PIExponent    uint8  // P_I_EXPONENT: protection intervals per block, as a power of two
	PhysExponent  uint8  // logical blocks per physical block, as a power of two
	LBPME         bool   // logical block provisioning management enabled
	LBPRZ         bool   // unmapped blocks read as zeros
	LowestAligned uint16 // first LBA at the start of a physical block: 14 bits
}

// AppendCapacity16 appends READ CAPACITY(16) parameter data: 32 bytes.
func AppendCapacity16(dst []byte, c *Capacity) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.LastLBA)
	dst = binary.BigEndian.AppendUint32(dst, c.BlockSize)
	dst = append(dst,
		c.RCBasis&3<<4|c.PType&7<<1|bit(c.ProtEnabled, 0),
		c.PIExponent<<4|c.PhysExponent&0xF,
		bit(c.LBPME, 7)|bit(c.LBPRZ, 6)|byte(c.LowestAligned>>8)&0x3F,
		byte(c.LowestAligned))
	return zeros(dst, 16)
}

// ParseCapacity16 decodes READ CAPACITY(16) parameter data. Sixteen bytes suffice, since
// the rest is reserved.
func ParseCapacity16(b []byte) (Capacity, error) {
	if len(b) < 16 {
		return Capacity{}, ErrShort
	}
	return Capacity{
		LastLBA: binary.BigEndian.Uint64(b), BlockSize: binary.BigEndian.Uint32(b[8:]),
		RCBasis: b[12] >> 4 & 3, PType: b[12] >> 1 & 7, ProtEnabled: has(b[12], 0),
		PIExponent: b[13] >> 4, PhysExponent: b[13] & 0xF,
		LBPME: has(b[14], 7), LBPRZ: has(b[14], 6), LowestAligned: binary.BigEndian.Uint16(b[14:]) & 0x3FFF,
	}, nil
}

// TooLarge is the last LBA that READ CAPACITY(10) reports for a unit that needs READ
// CAPACITY(16).
const TooLarge = 0xFFFFFFFF

// AppendCapacity10 appends READ CAPACITY(10) parameter data (SBC-3 5.15). A last LBA that does
// not fit is reported as TooLarge.
func AppendCapacity10(dst []byte, lastLBA uint64, blockSize uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(lastLBA, TooLarge)))
	return binary.BigEndian.AppendUint32(dst, blockSize)
}

// ParseCapacity10 decodes READ CAPACITY(10) parameter data. A lastLBA of TooLarge sends the
// caller to READ CAPACITY(16).
func ParseCapacity10(b []byte) (lastLBA, blockSize uint32, err error) {
	if len(b) < 8 {
		return 0, 0, ErrShort
	}
	return binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), nil
}
