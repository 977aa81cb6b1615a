package scsi

import (
	"encoding/binary"
	"fmt"
)

// LUN is an eight-byte logical unit number as on the wire, most significant byte
// first (SAM-5 4.7).
type LUN uint64

// MaxLUN is the largest logical unit number of the flat address space.
const MaxLUN = 0x3FFF

// LUNMethod says how REPORT LUNS encodes a logical unit number.
type LUNMethod uint8

// The single-level address methods (SAM-5 4.7.7).
const (
	// LUNPeripheral encodes up to 255 with the peripheral device method, more with
	// the flat space method: what most initiators expect.
	LUNPeripheral LUNMethod = iota
	// LUNFlat encodes every number but 0 with the flat space method.
	LUNFlat
	// LUNExtended encodes every number but 0 with the extended flat space method (four bytes).
	LUNExtended
)

// MakeLUN encodes n, which is at most MaxLUN; larger numbers use the extended
// flat space method. LUN 0 is always eight zero bytes.
func MakeLUN(n uint16, m LUNMethod) LUN {
	switch {
	case n == 0:
		return 0
	case n > MaxLUN || m == LUNExtended:
		return LUN(0xD2)<<56 | LUN(n)<<32 // extended, length 01b, method 2: 24 bits of LUN
	case n > 0xFF || m == LUNFlat:
		return LUN(0x4000|n) << 48
	}
	return LUN(n) << 48
}

// ParseLUN decodes the eight bytes of b.
func ParseLUN(b [8]byte) LUN { return LUN(binary.BigEndian.Uint64(b[:])) }

// AppendLUN appends the eight bytes of l.
func AppendLUN(dst []byte, l LUN) []byte { return binary.BigEndian.AppendUint64(dst, uint64(l)) }

// WellKnownReportLUNs is the REPORT LUNS well-known logical unit (SPC-4 9.3).
const WellKnownReportLUNs LUN = 0xC101 << 48

// WellKnown reports whether l addresses a well-known logical unit, and its W-LUN.
func (l LUN) WellKnown() (wlun uint8, ok bool) {
	if l>>56 == 0xC1 && l<<16 == 0 {
		return uint8(l >> 48), true
	}
	return 0, false
}

// Number is the logical unit number that l addresses at this target, by any of the
// peripheral device, flat space, logical unit and extended flat space methods; the
// lower levels must be zero. ok is false for every other form.
func (l LUN) Number() (n uint16, ok bool) {
	switch l >> 62 {
	case 0: // peripheral device: bus identifier must be zero
		if l<<16 == 0 && l>>56 == 0 {
			return uint16(l >> 48), true
		}
	case 1: // flat space
		if l<<16 == 0 {
			return uint16(l>>48) & 0x3FFF, true
		}
	case 2: // logical unit: target and bus must be zero, the LUN has five bits
		if l<<16 == 0 && l>>56&0x3F == 0 && l>>53&7 == 0 {
			return uint16(l >> 48 & 0x1F), true
		}
	case 3: // extended: only the flat forms
		switch l >> 56 {
		case 0xD2: // length 01b: three bytes
			if l<<32 == 0 && l>>48&0xFF == 0 {
				return uint16(l >> 32), true
			}
		case 0xE2: // length 10b: five bytes
			if l<<48 == 0 && l>>32&0xFFFFFF == 0 {
				return uint16(l >> 16), true
			}
		}
	}
	return 0, false
}

// String is the number if there is one, else the eight bytes in hex.
func (l LUN) String() string {
	if n, ok := l.Number(); ok {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%016xh", uint64(l))
}
