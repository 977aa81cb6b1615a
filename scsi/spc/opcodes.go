package spc

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
)

// REPORTING OPTIONS of REPORT SUPPORTED OPERATION CODES (SPC-4 6.35).
const (
	ReportAll    uint8 = 0 // all commands
	ReportOp     uint8 = 1 // one that has no service action
	ReportAction uint8 = 2 // one with its service action
	ReportEither uint8 = 3 // one, whether it has a service action or not
)

// OpcodesRequest is the CDB of REPORT SUPPORTED OPERATION CODES.
type OpcodesRequest struct {
	Timeouts bool  // RCTD: return command timeouts descriptors
	Options  uint8 // REPORTING OPTIONS
	Op       scsi.Opcode
	Action   uint16
}

// ParseOpcodesRequest decodes the CDB; one of less than 12 bytes, or with a reserved
// REPORTING OPTIONS, is refused with INVALID FIELD IN CDB.
func ParseOpcodesRequest(cdb []byte) (OpcodesRequest, error) {
	if len(cdb) < 12 {
		return OpcodesRequest{}, scsi.InvalidFieldInCDB
	}
	r := OpcodesRequest{Timeouts: has(cdb[2], 7), Options: cdb[2] & 7, Op: scsi.Opcode(cdb[3]), Action: binary.BigEndian.Uint16(cdb[4:])}
	if r.Options > ReportEither {
		return r, scsi.BadCDB(2, 2)
	}
	return r, nil
}

// AppendSupportedOpcodes appends the answer to r (SPC-4 6.35): list is what the unit
// implements. Asking for a command with service actions without naming one, or the other
// way round, is refused as the standard demands.
func AppendSupportedOpcodes(dst []byte, r OpcodesRequest, list []*scsi.OpInfo) ([]byte, error) {
	if r.Options == ReportAll {
		return appendAllOpcodes(dst, r, list), nil
	}
	var found *scsi.OpInfo
	actions := false // the operation code has service actions
	known := false   // the operation code is implemented
	for _, o := range list {
		if o.Op != r.Op {
			continue
		}
		known = true
		actions = actions || o.HasAction
		if !o.HasAction || o.Action == r.Action {
			found = o
		}
	}
	switch r.Options {
	case ReportOp:
		if actions {
			return dst, scsi.BadCDB(2, 2)
		}
	case ReportAction:
		if known && !actions {
			return dst, scsi.BadCDB(2, 2)
		}
	case ReportEither:
		if !actions && r.Action != 0 {
			found = nil
		}
	default:
		return dst, scsi.BadCDB(2, 2)
	}
	if found == nil {
		return append(dst, 0, supportNone, 0, 0), nil
	}
	support := byte(supportStandard)
	if r.Timeouts {
		support |= 0x80 // CTDP
	}
	dst = append(dst, 0, support, 0, found.Len)
	dst = found.AppendUsage(dst)
	if r.Timeouts {
		dst = appendTimeouts(dst, found)
	}
	return dst, nil
}

// Values of SUPPORT.
const (
	supportNone     = 1
	supportStandard = 3
)

func appendAllOpcodes(dst []byte, r OpcodesRequest, list []*scsi.OpInfo) []byte {
	n := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, o := range list {
		dst = append(dst, byte(o.Op), 0, byte(o.Action>>8), byte(o.Action), 0, bit(r.Timeouts, 1)|bit(o.HasAction, 0), 0, o.Len)
		if r.Timeouts {
			dst = appendTimeouts(dst, o)
		}
	}
	put32(dst[n:], uint64(len(dst)-n-4))
	return dst
}

// appendTimeouts appends a command timeouts descriptor (SPC-4 6.35.4). The nominal processing
// time is not reported: it depends on the storage.
func appendTimeouts(dst []byte, o *scsi.OpInfo) []byte {
	dst = append(dst, 0, 0x0A, 0, 0, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, o.Timeout.Seconds())
}

// SupportedOp is a command descriptor of the all_commands format.
type SupportedOp struct {
	Op        scsi.Opcode
	Action    uint16
	HasAction bool // SERVACTV
	Len       int  // bytes of the CDB
	Timeout   uint32
	HasTime   bool // CTDP: there is a timeouts descriptor, with Timeout in seconds
}

// ParseSupportedOpcodes decodes the answer to ReportAll.
func ParseSupportedOpcodes(b []byte) ([]SupportedOp, error) {
	if len(b) < 4 {
		return nil, ErrShort
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, ErrShort
	}
	b = b[:n]
	var list []SupportedOp
	for len(b) > 0 {
		if len(b) < 8 {
			return list, ErrShort
		}
		o := SupportedOp{Op: scsi.Opcode(b[0]), Action: binary.BigEndian.Uint16(b[2:]), HasAction: has(b[5], 0),
			HasTime: has(b[5], 1), Len: int(binary.BigEndian.Uint16(b[6:]))}
		b = b[8:]
		if o.HasTime {
			var err error
			if o.Timeout, b, err = parseTimeouts(b); err != nil {
				return list, err
			}
		}
		list = append(list, o)
	}
	return list, nil
}

// OneOpcode is the answer to a question for one command.
type OneOpcode struct {
	Supported bool   // in conformance with a standard, or in a vendor-specific manner
	Usage     []byte // CDB usage data; nil if the command is not supported
	Timeout   uint32 // recommended, in seconds
	HasTime   bool
}

// ParseOneOpcode decodes the answer to ReportOp, ReportAction or ReportEither.
func ParseOneOpcode(b []byte) (OneOpcode, error) {
	if len(b) < 4 {
		return OneOpcode{}, ErrShort
	}
	support := b[1] & 7
	o := OneOpcode{Supported: support == supportStandard || support == 5}
	if !o.Supported {
		return o, nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b)-4 {
		return o, ErrShort
	}
	o.Usage, o.HasTime = b[4:4+n:4+n], has(b[1], 7)
	var err error
	if o.HasTime {
		o.Timeout, _, err = parseTimeouts(b[4+n:])
	}
	return o, err
}

func parseTimeouts(b []byte) (seconds uint32, rest []byte, err error) {
	if len(b) < 12 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		return 0, nil, ErrShort
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if n < 12 {
		return 0, nil, ErrLength
	}
	return binary.BigEndian.Uint32(b[8:]), b[n:], nil
}
