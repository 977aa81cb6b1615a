package sbc

import "encoding/binary"

// Page codes of vital product data of block devices (SBC-3, vital product data).
const (
	VPDLimits          uint8 = 0xB0
	VPDCharacteristics uint8 = 0xB1
	VPDProvisioning    uint8 = 0xB2
)

// Limits is the block limits page, B0h (SBC-4). All lengths are in logical blocks, and zero
// means not reported or no limit, except where it is said.
type Limits struct {
	WSNZ               bool   // WRITE SAME with a zero number of blocks is refused
	MaxCompareAndWrite uint8  // 0: COMPARE AND WRITE is not supported
	OptGranularity     uint16 // optimal transfer length granularity
	MaxTransfer        uint32
	OptTransfer        uint32
	MaxPrefetch        uint32
	MaxUnmapBlocks     uint32 // of all descriptors together; 0: UNMAP is not supported; FFFFFFFFh: no limit
	MaxUnmapExtents    uint32 // descriptors; 0: UNMAP is not supported; FFFFFFFFh: no limit
	UnmapGranularity   uint32
	UnmapAlignment     uint32 // 31 bits; meaningful if UnmapAligned
	UnmapAligned       bool   // UGAVALID
	MaxWriteSame       uint64

	MaxAtomic          uint32 // maximum atomic transfer length; 0: not reported
	AtomicAlignment    uint32
	AtomicGranularity  uint32
	MaxAtomicBoundary  uint32 // maximum atomic transfer length with atomic boundary
	AtomicBoundarySize uint32 // maximum atomic boundary size
}

const (
	limitsLen       = 0x3C
	limitsLenSBC2   = 0x0C // up to the optimal transfer length
	ugavalid        = 1 << 31
	characterLen    = 0x3C
	provisioningLen = 0x04
)

// AppendLimits appends the body of page B0h.
func AppendLimits(dst []byte, l *Limits) []byte {
	alignment := l.UnmapAlignment &^ ugavalid
	if l.UnmapAligned {
		alignment |= ugavalid
	}
	dst = append(dst, bit(l.WSNZ, 0), l.MaxCompareAndWrite)
	dst = binary.BigEndian.AppendUint16(dst, l.OptGranularity)
	for _, v := range [...]uint32{l.MaxTransfer, l.OptTransfer, l.MaxPrefetch,
		l.MaxUnmapBlocks, l.MaxUnmapExtents, l.UnmapGranularity, alignment} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	dst = binary.BigEndian.AppendUint64(dst, l.MaxWriteSame)
	for _, v := range [...]uint32{l.MaxAtomic, l.AtomicAlignment, l.AtomicGranularity, l.MaxAtomicBoundary, l.AtomicBoundarySize} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// ParseLimits decodes the body of page B0h. The shorter pages of older standards have zeros
// in the fields that they lack.
func ParseLimits(body []byte) (Limits, error) {
	if len(body) < limitsLenSBC2 {
		return Limits{}, ErrShort
	}
	var b [limitsLen]byte
	copy(b[:], body)
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	return Limits{
		WSNZ: has(b[0], 0), MaxCompareAndWrite: b[1], OptGranularity: binary.BigEndian.Uint16(b[2:]),
		MaxTransfer: u32(4), OptTransfer: u32(8), MaxPrefetch: u32(12),
		MaxUnmapBlocks: u32(16), MaxUnmapExtents: u32(20), UnmapGranularity: u32(24),
		UnmapAlignment: u32(28) &^ ugavalid, UnmapAligned: u32(28)&ugavalid != 0,
		MaxWriteSame: binary.BigEndian.Uint64(b[32:]),
		MaxAtomic:    u32(40), AtomicAlignment: u32(44), AtomicGranularity: u32(48), MaxAtomicBoundary: u32(52), AtomicBoundarySize: u32(56),
	}, nil
}

// Rotation rates of Characteristics; other values from 0401h to FFFEh are revolutions per
// minute.
const (
	RotationNotReported uint16 = 0
	NonRotating         uint16 = 1
)

// Characteristics is the block device characteristics page, B1h (SBC-4).
type Characteristics struct {
	RotationRate     uint16
	ProductType      uint8
	WABEREQ          uint8  // what reads return after a block erase: 0 not reported, 1 anything, 2 an error, 3 anything or an error
	WACEREQ          uint8  // the same after a cryptographic erase
	FormFactor       uint8  // nominal form factor; 0: not reported
	Zoned            uint8  // 0: not reported
	FUAB             bool   // FUA and SYNCHRONIZE CACHE mean what SBC-4 says, not what SBC-2 said
	VBULS            bool   // blocks that are not mapped can be compared by VERIFY
	DepopulationTime uint32 // seconds
}

// AppendCharacteristics appends the body of page B1h.
func AppendCharacteristics(dst []byte, c *Characteristics) []byte {
	n := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, c.RotationRate)
	dst = append(dst, c.ProductType,
		c.WABEREQ<<6|c.WACEREQ&3<<4|c.FormFactor&0xF,
		c.Zoned&3<<4|bit(c.FUAB, 1)|bit(c.VBULS, 0), 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, c.DepopulationTime)
	return zeros(dst, n+characterLen-len(dst))
}

// ParseCharacteristics decodes the body of page B1h.
func ParseCharacteristics(body []byte) (Characteristics, error) {
	if len(body) < characterLen {
		return Characteristics{}, ErrShort
	}
	b := body
	return Characteristics{
		RotationRate: binary.BigEndian.Uint16(b), ProductType: b[2],
		WABEREQ: b[3] >> 6, WACEREQ: b[3] >> 4 & 3, FormFactor: b[3] & 0xF,
		Zoned: b[4] >> 4 & 3, FUAB: has(b[4], 1), VBULS: has(b[4], 0),
		DepopulationTime: binary.BigEndian.Uint32(b[8:]),
	}, nil
}

// ProvisioningType is the PROVISIONING TYPE of page B2h.
type ProvisioningType uint8

// The provisioning types.
const (
	ProvisioningUnknown ProvisioningType = 0 // not reported, or fully provisioned
	Resource            ProvisioningType = 1 // resource provisioned
	Thin                ProvisioningType = 2 // thin provisioned
)

// Provisioning is the logical block provisioning page, B2h (SBC-4).
type Provisioning struct {
	ThresholdExponent uint8 // threshold sets are 2^n blocks; 0: no thresholds
	LBPU              bool  // UNMAP is supported
	LBPWS             bool  // WRITE SAME(16) with UNMAP is supported
	LBPWS10           bool  // WRITE SAME(10) with UNMAP is supported
	LBPRZ             uint8 // what unmapped blocks read as: 0 anything, xx1b zeros, 010b an initialization pattern
	AncSup            bool  // anchored blocks are supported
	MinimumPercentage uint8 // 5 bits
	Type              ProvisioningType
	ThresholdPercent  uint8
	Group             []byte // PROVISIONING GROUP DESCRIPTOR, a designation descriptor; nil: none
}

// AppendProvisioning appends the body of page B2h.
func AppendProvisioning(dst []byte, p *Provisioning) []byte {
	dst = append(dst, p.ThresholdExponent,
		bit(p.LBPU, 7)|bit(p.LBPWS, 6)|bit(p.LBPWS10, 5)|p.LBPRZ&7<<2|bit(p.AncSup, 1)|bit(len(p.Group) > 0, 0),
		p.MinimumPercentage<<3|byte(p.Type)&7,
		p.ThresholdPercent)
	return append(dst, p.Group...)
}

// ParseProvisioning decodes the body of page B2h.
func ParseProvisioning(body []byte) (Provisioning, error) {
	if len(body) < provisioningLen {
		return Provisioning{}, ErrShort
	}
	b := body
	p := Provisioning{
		ThresholdExponent: b[0], LBPU: has(b[1], 7), LBPWS: has(b[1], 6), LBPWS10: has(b[1], 5),
		LBPRZ: b[1] >> 2 & 7, AncSup: has(b[1], 1), MinimumPercentage: b[2] >> 3, Type: ProvisioningType(b[2] & 7), ThresholdPercent: b[3],
	}
	if has(b[1], 0) {
		if len(b) < provisioningLen+4 || len(b) < provisioningLen+4+int(b[7]) {
			return p, ErrShort
		}
		p.Group = b[4 : 8+int(b[7])]
	}
	return p, nil
}
