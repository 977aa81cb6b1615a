package spc

import (
	"encoding/binary"
	"iter"

	"github.com/goscst/goscst/scsi"
)

// Mode page codes (SPC-4 7.5, SBC-3 mode parameters), and the codes that ask for all.
const (
	PageRecovery    uint8 = 0x01 // read-write error recovery
	PageCaching     uint8 = 0x08
	PageControl     uint8 = 0x0A
	PageExceptions  uint8 = 0x1C // informational exceptions control
	AllPages        uint8 = 0x3F
	AllSubpages     uint8 = 0xFF
	ExtControlSub   uint8 = 0x01 // subpage of PageControl: control extension
	shortDescriptor       = 8
	longDescriptor        = 16
)

// PageCtl is the PC field of MODE SENSE: which values are asked for (SPC-4 6.13).
type PageCtl uint8

// The values of PC.
const (
	CurrentValues    PageCtl = 0
	ChangeableValues PageCtl = 1
	DefaultValues    PageCtl = 2
	SavedValues      PageCtl = 3
)

// Bits of the DEVICE-SPECIFIC PARAMETER of direct access devices (SBC-3, mode parameters).
const (
	ParameterWP     uint8 = 0x80 // write protected
	ParameterDPOFUA uint8 = 0x10 // DPO and FUA are supported
)

// ModeHeader is the mode parameter header (SPC-4 7.5).
type ModeHeader struct {
	DataLength     int   // MODE DATA LENGTH; reserved in MODE SELECT
	MediumType     uint8 // zero for direct access devices
	DeviceSpecific uint8 // for direct access devices ParameterWP and ParameterDPOFUA
	LongLBA        bool  // block descriptors are long; only in the header of 10-byte commands
	DescriptorLen  int   // bytes of block descriptors that follow
}

// AppendModeHeader appends the header of MODE SENSE and SELECT (10) if ten is set, else
// of (6). SetModeLength completes it.
func AppendModeHeader(dst []byte, h ModeHeader, ten bool) []byte {
	if !ten {
		return append(dst, byte(min(h.DataLength, 0xFF)), h.MediumType, h.DeviceSpecific, byte(min(h.DescriptorLen, 0xFF)))
	}
	n := len(dst)
	dst = append(dst, 0, 0, h.MediumType, h.DeviceSpecific, bit(h.LongLBA, 0), 0, 0, 0)
	put16(dst[n:], h.DataLength)
	put16(dst[n+6:], h.DescriptorLen)
	return dst
}

// SetModeLength sets MODE DATA LENGTH of the parameter list b, which begins with a header.
// A list of MODE SENSE(6) that is longer than 256 bytes says 255.
func SetModeLength(b []byte, ten bool) {
	if ten {
		put16(b, len(b)-2)
	} else {
		b[0] = byte(min(len(b)-1, 0xFF))
	}
}

// ParseModeHeader decodes the header and returns how many bytes it takes.
func ParseModeHeader(b []byte, ten bool) (h ModeHeader, n int, err error) {
	if !ten {
		if len(b) < 4 {
			return h, 0, ErrShort
		}
		return ModeHeader{int(b[0]), b[1], b[2], false, int(b[3])}, 4, nil
	}
	if len(b) < 8 {
		return h, 0, ErrShort
	}
	return ModeHeader{int(binary.BigEndian.Uint16(b)), b[2], b[3], has(b[4], 0), int(binary.BigEndian.Uint16(b[6:]))}, 8, nil
}

// BlockDescriptor is the mode parameter block descriptor of direct access devices
// (SBC-3, mode parameters).
type BlockDescriptor struct {
	Blocks    uint64 // NUMBER OF LOGICAL BLOCKS
	BlockSize uint32 // bytes
}

// AppendBlockDescriptor appends a long LBA (16 bytes) or short LBA (8 bytes) descriptor. The
// short one says FFFFFFFFh for more blocks than it can hold, and has 24 bits for the size.
func AppendBlockDescriptor(dst []byte, d BlockDescriptor, long bool) []byte {
	if long {
		dst = binary.BigEndian.AppendUint64(dst, d.Blocks)
		dst = append(dst, 0, 0, 0, 0)
		return binary.BigEndian.AppendUint32(dst, d.BlockSize)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(d.Blocks, 0xFFFFFFFF)))
	return binary.BigEndian.AppendUint32(dst, min(d.BlockSize, 0xFFFFFF))
}

// ParseBlockDescriptor decodes the descriptor at the start of b.
func ParseBlockDescriptor(b []byte, long bool) (BlockDescriptor, error) {
	switch {
	case long && len(b) >= longDescriptor:
		return BlockDescriptor{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[12:])}, nil
	case !long && len(b) >= shortDescriptor:
		return BlockDescriptor{uint64(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]) & 0xFFFFFF}, nil
	}
	return BlockDescriptor{}, ErrShort
}

// ModePage is a mode page as it stands in a parameter list.
type ModePage struct {
	Page, Subpage uint8
	SPF           bool   // subpage format; Subpage is 0 without it
	PS            bool   // parameters saveable; reserved in MODE SELECT
	Params        []byte // what follows the header
	Bytes         []byte // the page with its header; set by parsers only
}

// AppendModePage appends the page: in subpage format if SPF or Subpage says so. Params that are
// too long for the format are cut.
func AppendModePage(dst []byte, p ModePage) []byte {
	first := bit(p.PS, 7) | p.Page&0x3F
	if p.SPF || p.Subpage != 0 {
		params := p.Params[:min(len(p.Params), 0xFFFF)]
		dst = append(dst, first|0x40, p.Subpage, byte(len(params)>>8), byte(len(params)))
		return append(dst, params...)
	}
	params := p.Params[:min(len(p.Params), 0xFF)]
	return append(append(dst, first, byte(len(params))), params...)
}

// ParseModePage decodes the page at the start of b and returns how many bytes it takes.
func ParseModePage(b []byte) (p ModePage, n int, err error) {
	if len(b) < 2 {
		return p, 0, ErrShort
	}
	p = ModePage{Page: b[0] & 0x3F, SPF: has(b[0], 6), PS: has(b[0], 7)}
	header := 2
	n = header + int(b[1])
	if p.SPF {
		if len(b) < 4 {
			return p, 0, ErrShort
		}
		p.Subpage, header = b[1], 4
		n = header + int(binary.BigEndian.Uint16(b[2:]))
	}
	if n > len(b) {
		return p, 0, ErrShort
	}
	p.Params, p.Bytes = b[header:n:n], b[:n:n]
	return p, n, nil
}

// ModePages yields each page of a list, b, without its header and block descriptors. A page
// that is cut ends the list with an error.
func ModePages(b []byte) iter.Seq2[ModePage, error] {
	return func(yield func(ModePage, error) bool) {
		for len(b) > 0 {
			p, n, err := ParseModePage(b)
			if !yield(p, err) || err != nil {
				return
			}
			b = b[n:]
		}
	}
}

// ControlPage is the control mode page, 0Ah (SPC-4 7.5).
type ControlPage struct {
	TST             uint8 // task set type, 0 or 1
	TMFOnly, DPICZ  bool
	DSense          bool // descriptor format sense data
	GLTSD, RLEC     bool // global logging target save disable; report log exception condition
	QueueAlg        uint8
	NUAR            bool  // no unit attention on release
	QErr            uint8 // 0, 1 or 3
	VS, RAC         bool
	UAInterlock     uint8 // UA_INTLCK_CTRL
	SWP             bool  // software write protect
	ATO, TAS        bool
	ATMPE, RWWP     bool
	SBLP            bool
	AutoloadMode    uint8
	BusyTimeout     uint16 // BUSY TIMEOUT PERIOD in units of 100 ms; FFFFh: unlimited
	SelfTestSeconds uint16 // EXTENDED SELF-TEST COMPLETION TIME; FFFFh: 65535 s or more
}

const controlPageLen = 12

// ControlPageOf is the page that shows what the engine obeys.
func ControlPageOf(c scsi.Control) ControlPage {
	return ControlPage{TST: c.TST, QueueAlg: c.QueueAlg, QErr: c.QErr, TMFOnly: c.TMFOnly, TAS: c.TAS, SWP: c.SWP, DSense: c.DSense}
}

// Control is what the engine obeys of the page.
func (p *ControlPage) Control() scsi.Control {
	return scsi.Control{TST: p.TST, QueueAlg: p.QueueAlg, QErr: p.QErr, TMFOnly: p.TMFOnly, TAS: p.TAS, SWP: p.SWP, DSense: p.DSense}
}

// AppendControlPage appends the page with its header, PS zero.
func AppendControlPage(dst []byte, p *ControlPage) []byte {
	dst = append(dst, PageControl, controlPageLen-2,
		p.TST<<5|bit(p.TMFOnly, 4)|bit(p.DPICZ, 3)|bit(p.DSense, 2)|bit(p.GLTSD, 1)|bit(p.RLEC, 0),
		p.QueueAlg<<4|bit(p.NUAR, 3)|p.QErr&3<<1,
		bit(p.VS, 7)|bit(p.RAC, 6)|p.UAInterlock&3<<4|bit(p.SWP, 3),
		bit(p.ATO, 7)|bit(p.TAS, 6)|bit(p.ATMPE, 5)|bit(p.RWWP, 4)|bit(p.SBLP, 3)|p.AutoloadMode&7,
		0, 0)
	dst = binary.BigEndian.AppendUint16(dst, p.BusyTimeout)
	return binary.BigEndian.AppendUint16(dst, p.SelfTestSeconds)
}

// ParseControlPage decodes the page with its header.
func ParseControlPage(b []byte) (ControlPage, error) {
	if err := checkPage(b, PageControl, controlPageLen); err != nil {
		return ControlPage{}, err
	}
	return ControlPage{
		TST: b[2] >> 5, TMFOnly: has(b[2], 4), DPICZ: has(b[2], 3), DSense: has(b[2], 2), GLTSD: has(b[2], 1), RLEC: has(b[2], 0),
		QueueAlg: b[3] >> 4, NUAR: has(b[3], 3), QErr: b[3] >> 1 & 3,
		VS: has(b[4], 7), RAC: has(b[4], 6), UAInterlock: b[4] >> 4 & 3, SWP: has(b[4], 3),
		ATO: has(b[5], 7), TAS: has(b[5], 6), ATMPE: has(b[5], 5), RWWP: has(b[5], 4), SBLP: has(b[5], 3), AutoloadMode: b[5] & 7,
		BusyTimeout: binary.BigEndian.Uint16(b[8:]), SelfTestSeconds: binary.BigEndian.Uint16(b[10:]),
	}, nil
}

// ExceptionsPage is the informational exceptions control mode page, 1Ch (SPC-4 7.5).
type ExceptionsPage struct {
	Perf, EBF, EWASC, DExcpt bool
	Test, EBackErr, LogErr   bool
	MRIE                     uint8  // method of reporting informational exceptions
	Interval                 uint32 // INTERVAL TIMER in units of 100 ms
	Count                    uint32 // REPORT COUNT; 0: no limit
}

const exceptionsPageLen = 12

// AppendExceptionsPage appends the page with its header, PS zero.
func AppendExceptionsPage(dst []byte, p *ExceptionsPage) []byte {
	dst = append(dst, PageExceptions, exceptionsPageLen-2,
		bit(p.Perf, 7)|bit(p.EBF, 5)|bit(p.EWASC, 4)|bit(p.DExcpt, 3)|bit(p.Test, 2)|bit(p.EBackErr, 1)|bit(p.LogErr, 0),
		p.MRIE&0xF)
	dst = binary.BigEndian.AppendUint32(dst, p.Interval)
	return binary.BigEndian.AppendUint32(dst, p.Count)
}

// ParseExceptionsPage decodes the page with its header.
func ParseExceptionsPage(b []byte) (ExceptionsPage, error) {
	if err := checkPage(b, PageExceptions, exceptionsPageLen); err != nil {
		return ExceptionsPage{}, err
	}
	return ExceptionsPage{
		Perf: has(b[2], 7), EBF: has(b[2], 5), EWASC: has(b[2], 4), DExcpt: has(b[2], 3),
		Test: has(b[2], 2), EBackErr: has(b[2], 1), LogErr: has(b[2], 0), MRIE: b[3] & 0xF,
		Interval: binary.BigEndian.Uint32(b[4:]), Count: binary.BigEndian.Uint32(b[8:]),
	}, nil
}

// checkPage checks the header of a page in page_0 format of n bytes.
func checkPage(b []byte, page uint8, n int) error {
	switch {
	case len(b) < n:
		return ErrShort
	case b[0]&0x7F != page:
		return ErrFormat
	case int(b[1]) != n-2:
		return ErrLength
	}
	return nil
}
