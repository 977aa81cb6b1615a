package spc

import (
	"encoding/binary"
	"iter"
)

// LogPage is a log page (SPC-4 7.3).
type LogPage struct {
	Page, Subpage uint8
	SPF           bool   // subpage format; Subpage is 0 without it
	DS            bool   // disable save
	Params        []byte // what follows the header: log parameters, or a list of pages
}

// AppendLogPage appends the page, with at most 65535 bytes of parameters.
func AppendLogPage(dst []byte, p LogPage) []byte {
	params := p.Params[:min(len(p.Params), 0xFFFF)]
	dst = append(dst, bit(p.DS, 7)|bit(p.SPF || p.Subpage != 0, 6)|p.Page&0x3F, p.Subpage, byte(len(params)>>8), byte(len(params)))
	return append(dst, params...)
}

// ParseLogPage decodes a page.
func ParseLogPage(b []byte) (LogPage, error) {
	if len(b) < 4 {
		return LogPage{}, ErrShort
	}
	p := LogPage{Page: b[0] & 0x3F, SPF: has(b[0], 6), DS: has(b[0], 7)}
	if p.SPF {
		p.Subpage = b[1]
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b)-4 {
		return p, ErrShort
	}
	p.Params = b[4 : 4+n : 4+n]
	return p, nil
}

// LogFormat is the FORMAT AND LINKING of a log parameter (SPC-4 7.3).
type LogFormat uint8

// The formats.
const (
	LogBoundedCounter   LogFormat = 0
	LogASCIIList        LogFormat = 1
	LogUnboundedCounter LogFormat = 2 // or a bounded one, as the parameter's definition says
	LogBinaryList       LogFormat = 3
)

// LogParameter is a parameter of a log page.
type LogParameter struct {
	Code   uint16
	DU     bool  // disable update
	TSD    bool  // target save disable
	ETC    bool  // enable threshold comparison
	TMC    uint8 // threshold met criteria
	Format LogFormat
	Value  []byte // at most 255 bytes
}

// AppendLogParameter appends the parameter.
func AppendLogParameter(dst []byte, p LogParameter) []byte {
	v := p.Value[:min(len(p.Value), 255)]
	dst = append(dst, byte(p.Code>>8), byte(p.Code),
		bit(p.DU, 7)|bit(p.TSD, 5)|bit(p.ETC, 4)|p.TMC&3<<2|byte(p.Format)&3, byte(len(v)))
	return append(dst, v...)
}

// ParseLogParameter decodes the parameter at the start of b and returns how many bytes it
// takes.
func ParseLogParameter(b []byte) (p LogParameter, n int, err error) {
	if len(b) < 4 || len(b) < 4+int(b[3]) {
		return p, 0, ErrShort
	}
	n = 4 + int(b[3])
	return LogParameter{Code: binary.BigEndian.Uint16(b), DU: has(b[2], 7), TSD: has(b[2], 5), ETC: has(b[2], 4),
		TMC: b[2] >> 2 & 3, Format: LogFormat(b[2] & 3), Value: b[4:n:n]}, n, nil
}

// LogParameters yields each parameter of a page. One that is cut ends them with an error.
func LogParameters(b []byte) iter.Seq2[LogParameter, error] {
	return func(yield func(LogParameter, error) bool) {
		for len(b) > 0 {
			p, n, err := ParseLogParameter(b)
			if !yield(p, err) || err != nil {
				return
			}
			b = b[n:]
		}
	}
}
