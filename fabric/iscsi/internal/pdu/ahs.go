package pdu

import (
	"encoding/binary"
	"errors"
)

// Bounds of additional header segments in bytes.
const (
	// MaxAHSLen is how much a header can announce: 255 words.
	MaxAHSLen = 255 * 4
	// MaxCDBLen is the longest CDB of SCSI, a variable-length one, of which CDBLen
	// bytes are in the header.
	MaxCDBLen = 260
)

// AHSType is the kind of an additional header segment (RFC 7143 11.2.2.1): the lower six
// bits of its type byte, the others being reserved.
type AHSType uint8

// Kinds of additional header segments.
const (
	AHSExtendedCDB    AHSType = 1
	AHSBidiReadLength AHSType = 2
)

// Errors of ParseAHS.
var (
	errAHSShort     = errors.New("iscsi: additional header segment is cut off")
	errAHSLength    = errors.New("iscsi: additional header segment has a wrong length")
	errAHSType      = errors.New("iscsi: additional header segment of unknown type")
	errAHSDuplicate = errors.New("iscsi: additional header segment occurs twice")
)

// AHS is what the additional header segments of a SCSI Command say.
type AHS struct {
	// ExtendedCDB is the CDB from its 17th byte on, nil if there is none. It is a view
	// into what was parsed.
	ExtendedCDB []byte
	// BidiReadLength is the expected length in bytes of the read of a bidirectional
	// command; HasBidi says whether it was given.
	BidiReadLength uint32
	HasBidi        bool
}

// ParseAHS parses all additional header segments of a SCSI Command (RFC 7143 11.2.2). b
// is all of Header.AHSLen bytes. It fails on anything that is not wholly understood: an
// ignored segment would change the meaning of the command.
func ParseAHS(b []byte) (AHS, error) {
	var a AHS
	for len(b) > 0 { // each turn takes four bytes or more
		t, body, rest, err := NextAHS(b)
		if err != nil {
			return AHS{}, err
		}
		// The first byte of the body is reserved in both kinds.
		switch t {
		case AHSExtendedCDB:
			if a.ExtendedCDB != nil {
				return AHS{}, errAHSDuplicate
			}
			if len(body) < 2 || len(body)-1 > MaxCDBLen-CDBLen {
				return AHS{}, errAHSLength
			}
			a.ExtendedCDB = body[1:]
		case AHSBidiReadLength:
			if a.HasBidi {
				return AHS{}, errAHSDuplicate
			}
			if len(body) != 5 {
				return AHS{}, errAHSLength
			}
			a.HasBidi, a.BidiReadLength = true, binary.BigEndian.Uint32(body[1:])
		default:
			return AHS{}, errAHSType
		}
		b = rest
	}
	return a, nil
}

// NextAHS splits the first additional header segment from b (RFC 7143 11.2.2.2): its
// type, its body without padding, and what follows its padding. Body and rest are views
// into b.
func NextAHS(b []byte) (t AHSType, body, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, nil, errAHSShort
	}
	n := int(binary.BigEndian.Uint16(b)) // counts neither itself nor the type
	end := (3 + n + 3) &^ 3
	if end > len(b) {
		return 0, nil, nil, errAHSShort
	}
	return AHSType(b[2] & 0x3F), b[3 : 3+n : 3+n], b[end:], nil
}

// AppendExtendedCDB appends the additional header segment for the CDB bytes behind the
// first CDBLen, with its padding. A cdb that has none appends nothing.
func AppendExtendedCDB(dst, cdb []byte) []byte {
	if len(cdb) <= CDBLen {
		return dst
	}
	ext := cdb[CDBLen:]
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(ext)+1))
	dst = append(dst, byte(AHSExtendedCDB), 0)
	dst = append(dst, ext...)
	return append(dst, zeros[:Pad(len(ext))]...)
}

// AppendBidiReadLength appends the additional header segment for the expected length in
// bytes of the read of a bidirectional command.
func AppendBidiReadLength(dst []byte, n uint32) []byte {
	dst = append(dst, 0, 5, byte(AHSBidiReadLength), 0)
	return binary.BigEndian.AppendUint32(dst, n)
}
