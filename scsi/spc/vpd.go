package spc

import (
	"encoding/binary"
	"slices"

	"github.com/goscst/goscst/scsi"
)

// Page codes of vital product data (SPC-4 7.8).
const (
	VPDSupported       uint8 = 0x00
	VPDSerial          uint8 = 0x80
	VPDIdentification  uint8 = 0x83
	VPDExtendedInquiry uint8 = 0x86
	VPDModePolicy      uint8 = 0x87
	VPDPorts           uint8 = 0x88
	VPDThirdPartyCopy  uint8 = 0x8F
)

// VPD is a page of vital product data.
type VPD struct {
	Qualifier Qualifier
	Type      scsi.DeviceType
	Page      uint8
	Body      []byte // what follows the four bytes of the header
}

// AppendVPD appends a page with the given body, of which at most 65535 bytes fit. The first
// byte comes from Peripheral.
func AppendVPD(dst []byte, peripheral byte, page uint8, body []byte) []byte {
	body = body[:min(len(body), 0xFFFF)]
	dst = append(dst, peripheral, page, byte(len(body)>>8), byte(len(body)))
	return append(dst, body...)
}

// ParseVPD decodes a page. A page that was cut by the allocation length is an error.
func ParseVPD(b []byte) (VPD, error) {
	if len(b) < 4 {
		return VPD{}, ErrShort
	}
	v := VPD{Qualifier: Qualifier(b[0] >> 5), Type: scsi.DeviceType(b[0] & 0x1F), Page: b[1]}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b)-4 {
		return v, ErrShort
	}
	v.Body = b[4 : 4+n]
	return v, nil
}

// AppendSupportedPages appends the body of page 00h: the page codes in ascending order, as
// SPC-4 7.8 demands, each once, and page 00h itself. It does not change pages.
func AppendSupportedPages(dst []byte, pages []uint8) []byte {
	n := len(dst)
	dst = append(append(dst, VPDSupported), pages...)
	slices.Sort(dst[n:])
	return dst[:n+len(slices.Compact(dst[n:]))]
}

// ExtendedInquiry is the extended INQUIRY data page, 86h (SPC-4 7.8, and bits of SPC-5).
type ExtendedInquiry struct {
	ActivateMicrocode         uint8 // 0 to 3
	SPT                       uint8 // supported protection types, 0 to 7
	GRDChk, APPChk, REFChk    bool  // what is checked of protection information
	UASKSup                   bool  // unit attention condition sense key specific data
	GroupSup, PriorSup        bool
	HeadSup, OrdSup, SimpSup  bool // task attributes
	WUSup, CRDSup             bool
	NVSup, VSup               bool // non-volatile and volatile cache
	NoPIChk, PIISup           bool
	LUICLR                    bool  // logical unit I_T nexus clear
	LUCollType                uint8 // 0 to 7
	RSup, RTDSup, HSSRelEF    bool
	CBCS                      bool
	MultiNexusMicrocode       uint8  // 0 to 15
	SelfTestMinutes           uint16 // duration of the extended self-test
	POASup, HRASup, VSASup    bool
	DMSValid                  bool
	MaxSense                  uint8 // maximum supported sense data length; 0: not reported
	IBS, IAS, SAC, NRD1, NRD0 bool
	MaxInquiryLogs            uint16
	MaxModePageLogs           uint16
}

const extendedInquiryLen = 0x3C

// AppendExtendedInquiry appends the body of page 86h.
func AppendExtendedInquiry(dst []byte, e *ExtendedInquiry) []byte {
	n := len(dst)
	dst = append(dst,
		e.ActivateMicrocode<<6|e.SPT&7<<3|bit(e.GRDChk, 2)|bit(e.APPChk, 1)|bit(e.REFChk, 0),
		bit(e.UASKSup, 5)|bit(e.GroupSup, 4)|bit(e.PriorSup, 3)|bit(e.HeadSup, 2)|bit(e.OrdSup, 1)|bit(e.SimpSup, 0),
		bit(e.WUSup, 3)|bit(e.CRDSup, 2)|bit(e.NVSup, 1)|bit(e.VSup, 0),
		bit(e.NoPIChk, 5)|bit(e.PIISup, 4)|bit(e.LUICLR, 0),
		e.LUCollType<<5|bit(e.RSup, 4)|bit(e.RTDSup, 3)|bit(e.HSSRelEF, 1)|bit(e.CBCS, 0),
		e.MultiNexusMicrocode&0xF)
	dst = binary.BigEndian.AppendUint16(dst, e.SelfTestMinutes)
	dst = append(dst,
		bit(e.POASup, 7)|bit(e.HRASup, 6)|bit(e.VSASup, 5)|bit(e.DMSValid, 4),
		e.MaxSense,
		bit(e.IBS, 7)|bit(e.IAS, 6)|bit(e.SAC, 2)|bit(e.NRD1, 1)|bit(e.NRD0, 0))
	dst = binary.BigEndian.AppendUint16(dst, e.MaxInquiryLogs)
	dst = binary.BigEndian.AppendUint16(dst, e.MaxModePageLogs)
	return zeros(dst, n+extendedInquiryLen-len(dst))
}

// ParseExtendedInquiry decodes the body of page 86h.
func ParseExtendedInquiry(body []byte) (ExtendedInquiry, error) {
	if len(body) < extendedInquiryLen {
		return ExtendedInquiry{}, ErrShort
	}
	b := body
	return ExtendedInquiry{
		ActivateMicrocode: b[0] >> 6, SPT: b[0] >> 3 & 7,
		GRDChk: has(b[0], 2), APPChk: has(b[0], 1), REFChk: has(b[0], 0),
		UASKSup: has(b[1], 5), GroupSup: has(b[1], 4), PriorSup: has(b[1], 3),
		HeadSup: has(b[1], 2), OrdSup: has(b[1], 1), SimpSup: has(b[1], 0),
		WUSup: has(b[2], 3), CRDSup: has(b[2], 2), NVSup: has(b[2], 1), VSup: has(b[2], 0),
		NoPIChk: has(b[3], 5), PIISup: has(b[3], 4), LUICLR: has(b[3], 0),
		LUCollType: b[4] >> 5, RSup: has(b[4], 4), RTDSup: has(b[4], 3), HSSRelEF: has(b[4], 1), CBCS: has(b[4], 0),
		MultiNexusMicrocode: b[5] & 0xF, SelfTestMinutes: binary.BigEndian.Uint16(b[6:]),
		POASup: has(b[8], 7), HRASup: has(b[8], 6), VSASup: has(b[8], 5), DMSValid: has(b[8], 4),
		MaxSense: b[9],
		IBS:      has(b[10], 7), IAS: has(b[10], 6), SAC: has(b[10], 2), NRD1: has(b[10], 1), NRD0: has(b[10], 0),
		MaxInquiryLogs: binary.BigEndian.Uint16(b[11:]), MaxModePageLogs: binary.BigEndian.Uint16(b[13:]),
	}, nil
}
