package spc

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
)

// SELECT REPORT of REPORT LUNS: which logical units are listed (SPC-4 6.33).
const (
	SelectAddressed uint8 = 0x00 // all but well-known ones
	SelectWellKnown uint8 = 0x01 // well-known ones alone
	SelectAll       uint8 = 0x02 // both
)

// AppendLUNs appends REPORT LUNS parameter data (SPC-4 6.33).
func AppendLUNs(dst []byte, luns []scsi.LUN) []byte {
	luns = luns[:min(len(luns), 1<<24)]
	dst = binary.BigEndian.AppendUint32(dst, uint32(8*len(luns)))
	dst = append(dst, 0, 0, 0, 0)
	for _, l := range luns {
		dst = scsi.AppendLUN(dst, l)
	}
	return dst
}

// ParseLUNs decodes REPORT LUNS parameter data. If the list is longer than b, which the
// allocation length may have cut, it returns what there is and ErrShort.
func ParseLUNs(b []byte) ([]scsi.LUN, error) {
	if len(b) < 8 {
		return nil, ErrShort
	}
	n := binary.BigEndian.Uint32(b)
	if n%8 != 0 {
		return nil, ErrLength
	}
	b = b[8:]
	var err error
	if uint64(n) > uint64(len(b)) {
		err = ErrShort
	} else {
		b = b[:n]
	}
	var luns []scsi.LUN
	for ; len(b) >= 8; b = b[8:] {
		luns = append(luns, scsi.ParseLUN([8]byte(b)))
	}
	return luns, err
}
