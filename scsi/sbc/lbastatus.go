package sbc

import "encoding/binary"

// LBAState is the PROVISIONING STATUS of logical blocks (SBC-4, GET LBA STATUS).
type LBAState uint8

// The provisioning states.
const (
	Mapped      LBAState = 0 // mapped, or the state is unknown
	Deallocated LBAState = 1
	Anchored    LBAState = 2
)

// LBAStatus is a descriptor of GET LBA STATUS parameter data.
type LBAStatus struct {
	Extent
	State LBAState
}

const lbaStatusHeaderLen = 8

// AppendLBAStatus appends GET LBA STATUS parameter data.
func AppendLBAStatus(dst []byte, list []LBAStatus) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(lbaStatusHeaderLen-4+extentLen*len(list)))
	dst = append(dst, 0, 0, 0, 0)
	for _, s := range list {
		dst = binary.BigEndian.AppendUint64(dst, s.LBA)
		dst = binary.BigEndian.AppendUint32(dst, s.Blocks)
		dst = append(dst, byte(s.State)&0xF, 0, 0, 0)
	}
	return dst
}

// LBAStatusCount is how many descriptors, at least one, an allocation length has room for: a
// device server need not find out more of them.
func LBAStatusCount(allocation uint32) int {
	if allocation < lbaStatusHeaderLen+extentLen {
		return 1
	}
	return int((allocation - lbaStatusHeaderLen) / extentLen)
}

// ParseLBAStatus decodes GET LBA STATUS parameter data. If the list is longer than b, which
// the allocation length may have cut, it returns the whole descriptors and ErrShort.
func ParseLBAStatus(b []byte) ([]LBAStatus, error) {
	if len(b) < lbaStatusHeaderLen {
		return nil, ErrShort
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n < lbaStatusHeaderLen-4 {
		return nil, ErrFormat
	}
	n -= lbaStatusHeaderLen - 4
	b = b[lbaStatusHeaderLen:]
	var err error
	if n > uint64(len(b)) {
		err = ErrShort
	} else {
		b = b[:n]
	}
	var list []LBAStatus
	for ; len(b) >= extentLen; b = b[extentLen:] {
		list = append(list, LBAStatus{
			Extent{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}, LBAState(b[12] & 0xF),
		})
	}
	return list, err
}
