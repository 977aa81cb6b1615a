package sbc

import (
	"encoding/binary"
	"iter"

	"github.com/goscst/goscst/scsi"
)

// Extent is a range of logical blocks.
type Extent struct {
	LBA    uint64
	Blocks uint32
}

const (
	unmapHeaderLen = 8
	extentLen      = 16
	maxExtents     = (0xFFFF - 6) / extentLen // what UNMAP DATA LENGTH can say
)

// UnmapList is the parameter list of UNMAP (SBC-4, UNMAP command). The zero value is empty.
type UnmapList struct{ b []byte } // whole descriptors

// ParseUnmap reads a parameter list as an initiator sent it; its errors are sense codes. The
// list shares memory with b.
//
// An empty list asks for nothing. One that ends before a descriptor that it promises is a
// parameter list length error, so that nothing is unmapped of a request that is not whole. If
// the length of the descriptors is not a multiple of 16 the standard has the rest ignored.
func ParseUnmap(b []byte) (UnmapList, error) {
	if len(b) == 0 {
		return UnmapList{}, nil
	}
	if len(b) < unmapHeaderLen {
		return UnmapList{}, scsi.ParameterListLength
	}
	total := 2 + int(binary.BigEndian.Uint16(b))
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > 0 && total < unmapHeaderLen+n {
		return UnmapList{}, scsi.BadParam(2, -1)
	}
	n -= n % extentLen
	if len(b) < unmapHeaderLen+n {
		return UnmapList{}, scsi.ParameterListLength
	}
	return UnmapList{b[unmapHeaderLen : unmapHeaderLen+n]}, nil
}

// Len is the number of descriptors.
func (l UnmapList) Len() int { return len(l.b) / extentLen }

// At is descriptor i, which must be less than Len.
func (l UnmapList) At(i int) Extent {
	b := l.b[i*extentLen:]
	return Extent{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

// All yields the descriptors.
func (l UnmapList) All() iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		for i := range l.Len() {
			if !yield(l.At(i)) {
				return
			}
		}
	}
}

// Blocks is the sum of the descriptors' numbers of blocks. It cannot overflow.
func (l UnmapList) Blocks() uint64 {
	var n uint64
	for e := range l.All() {
		n += uint64(e.Blocks)
	}
	return n
}

// Check refuses, before anything is unmapped, a list that is longer than lim allows with
// INVALID FIELD IN PARAMETER LIST, and one with an extent beyond capacity blocks with LOGICAL
// BLOCK ADDRESS OUT OF RANGE.
func (l UnmapList) Check(lim *Limits, capacity uint64) error {
	if uint64(l.Len()) > uint64(lim.MaxUnmapExtents) {
		return scsi.BadParam(2, -1)
	}
	if max := lim.MaxUnmapBlocks; max != 0xFFFFFFFF && l.Blocks() > uint64(max) {
		return scsi.InvalidFieldInParams
	}
	for e := range l.All() {
		if e.LBA > capacity || uint64(e.Blocks) > capacity-e.LBA {
			return scsi.LBAOutOfRange
		}
	}
	return nil
}

// AppendUnmap appends a parameter list, of at most 4095 extents.
func AppendUnmap(dst []byte, extents []Extent) []byte {
	extents = extents[:min(len(extents), maxExtents)]
	n := extentLen * len(extents)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n+unmapHeaderLen-2))
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	dst = append(dst, 0, 0, 0, 0)
	for _, e := range extents {
		dst = binary.BigEndian.AppendUint64(dst, e.LBA)
		dst = binary.BigEndian.AppendUint32(dst, e.Blocks)
		dst = append(dst, 0, 0, 0, 0)
	}
	return dst
}
