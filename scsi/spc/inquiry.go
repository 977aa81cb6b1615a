package spc

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
)

// Qualifier is the PERIPHERAL QUALIFIER (SPC-4 6.6.2).
type Qualifier uint8

// The peripheral qualifiers.
const (
	Connected    Qualifier = 0 // a peripheral device is connected, or the target cannot tell
	NotConnected Qualifier = 1 // supported, and not connected
	NotCapable   Qualifier = 3 // no peripheral device is possible at this logical unit number
)

// Peripheral is byte 0 of INQUIRY and vital product data.
func Peripheral(q Qualifier, t scsi.DeviceType) byte { return byte(q)<<5 | byte(t)&0x1F }

// Values of the VERSION field (SPC-4 6.6.2).
const (
	VersionSPC3 = 0x05
	VersionSPC4 = 0x06
	VersionSPC5 = 0x07
)

// Version descriptors: standards that a unit claims, without a version of them
// (SPC-4 6.6.2).
const (
	ClaimSAM4  uint16 = 0x0080
	ClaimSAM5  uint16 = 0x00A0
	ClaimSAM6  uint16 = 0x00C0
	ClaimSPC3  uint16 = 0x0300
	ClaimSBC2  uint16 = 0x0320
	ClaimSSC3  uint16 = 0x0400
	ClaimSPC4  uint16 = 0x0460
	ClaimSBC3  uint16 = 0x04C0
	ClaimSPC5  uint16 = 0x05C0
	ClaimSBC4  uint16 = 0x0600
	ClaimSRP   uint16 = 0x0940
	ClaimISCSI uint16 = 0x0960
)

// StandardInquiry is the standard INQUIRY data (SPC-4 6.6.2). Version 0 stands for
// SPC-4, which is the newest that common test tools and initiators know.
type StandardInquiry struct {
	Qualifier Qualifier
	Type      scsi.DeviceType
	Removable bool  // RMB
	LUCong    bool  // LU_CONG: part of a logical unit conglomerate
	Version   uint8 // VERSION; 0: VersionSPC4

	NormACA, HiSup bool
	SCCS           bool  // embedded storage array controller
	TPGS           uint8 // 0 none, 1 implicit, 2 explicit, 3 both
	ThirdPartyCopy bool  // 3PC
	Protect        bool  // protection information is supported

	EncServ, VS, MultiP bool
	CmdQue              bool
	VS2                 bool // vendor-specific bit 0 of byte 7

	Vendor   string // T10 vendor identification: 8 ASCII bytes, padded with spaces
	Product  string // 16 bytes
	Revision string // 4 bytes

	VendorSpecific []byte   // bytes 36 to 55: at most 20
	Descriptors    []uint16 // version descriptors: at most 8
	Extra          []byte   // vendor-specific bytes from 96 on: at most 164
}

const (
	inquiryLen = 96      // up to the vendor-specific parameters
	inquiryMax = 5 + 255 // what ADDITIONAL LENGTH can say
)

// AppendStandardInquiry appends the data: 96 bytes and Extra.
func AppendStandardInquiry(dst []byte, q *StandardInquiry) []byte {
	n := len(dst)
	version := q.Version
	if version == 0 {
		version = VersionSPC4
	}
	dst = append(dst,
		Peripheral(q.Qualifier, q.Type),
		bit(q.Removable, 7)|bit(q.LUCong, 6),
		version,
		bit(q.NormACA, 5)|bit(q.HiSup, 4)|2, // RESPONSE DATA FORMAT
		0,
		bit(q.SCCS, 7)|q.TPGS&3<<4|bit(q.ThirdPartyCopy, 3)|bit(q.Protect, 0),
		bit(q.EncServ, 6)|bit(q.VS, 5)|bit(q.MultiP, 4),
		bit(q.CmdQue, 1)|bit(q.VS2, 0))
	dst = appendASCII(dst, q.Vendor, 8)
	dst = appendASCII(dst, q.Product, 16)
	dst = appendASCII(dst, q.Revision, 4)
	dst = zeros(dst, inquiryLen-36)
	b := dst[n:]
	copy(b[36:56], q.VendorSpecific)
	for i, d := range q.Descriptors {
		if i == 8 {
			break
		}
		binary.BigEndian.PutUint16(b[58+2*i:], d)
	}
	dst = append(dst, q.Extra[:min(len(q.Extra), inquiryMax-inquiryLen)]...)
	dst[n+4] = byte(len(dst) - n - 5)
	return dst
}

// ParseStandardInquiry decodes the data. Fields beyond its end, by its own length or that of
// b, are zero; the first five bytes must be there.
func ParseStandardInquiry(b []byte) (StandardInquiry, error) {
	var q StandardInquiry
	if len(b) < 5 {
		return q, ErrShort
	}
	b = b[:min(len(b), 5+int(b[4]))]
	var full [inquiryLen]byte
	copy(full[:], b)
	f := &full
	q = StandardInquiry{
		Qualifier: Qualifier(f[0] >> 5), Type: scsi.DeviceType(f[0] & 0x1F),
		Removable: has(f[1], 7), LUCong: has(f[1], 6), Version: f[2],
		NormACA: has(f[3], 5), HiSup: has(f[3], 4),
		SCCS: has(f[5], 7), TPGS: f[5] >> 4 & 3, ThirdPartyCopy: has(f[5], 3), Protect: has(f[5], 0),
		EncServ: has(f[6], 6), VS: has(f[6], 5), MultiP: has(f[6], 4),
		CmdQue: has(f[7], 1), VS2: has(f[7], 0),
		Vendor: trimASCII(f[8:16]), Product: trimASCII(f[16:32]), Revision: trimASCII(f[32:36]),
	}
	if len(b) > 36 {
		q.VendorSpecific = b[36:min(len(b), 56)]
	}
	for i := 58; i < 74; i += 2 {
		if d := binary.BigEndian.Uint16(f[i:]); d != 0 {
			q.Descriptors = append(q.Descriptors, d)
		}
	}
	if len(b) > inquiryLen {
		q.Extra = b[inquiryLen:]
	}
	return q, nil
}
