package backstore

import (
	"fmt"
	"math"
)

// Limits of Geometry.BlockSize.
const (
	MinBlockSize = 512
	MaxBlockSize = 64 << 10
)

// Geometry describes a store. It is a comparable value. Size and ReadOnly may change while the
// store is open, which is announced through Notifier; the other fields stay.
type Geometry struct {
	Size          int64 // bytes; a multiple of BlockSize
	BlockSize     int   // bytes in a logical block: a power of two, MinBlockSize to MaxBlockSize
	PhysBlockSize int   // bytes in a physical block, a power-of-two multiple; 0: BlockSize
	OptimalIO     int   // bytes, a multiple of BlockSize; 0: not reported
	MaxIO         int   // bytes, a multiple of BlockSize, that one call may move; 0: no limit
	DiscardUnit   int   // bytes, a multiple of BlockSize, that Unmap frees at least; 0: BlockSize
	ReadOnly      bool  // every modifying method returns ErrReadOnly
	Rotational    bool  // reported as a medium that rotates
	Volatile      bool  // a write cache (WCE=1); without a Flusher the device is refused
	Without       Cap   // implemented in Go, but not available on this instance
}

// Validate reports what is wrong with g. Adapters and device types call it once.
func (g Geometry) Validate() error {
	bs := g.BlockSize
	if bs < MinBlockSize || bs > MaxBlockSize || bs&(bs-1) != 0 {
		return fmt.Errorf("backstore: block size %d is not a power of two from %d to %d", bs, MinBlockSize, MaxBlockSize)
	}
	if g.Size < 0 || g.Size%int64(bs) != 0 {
		return fmt.Errorf("backstore: size %d is not a multiple of the block size %d", g.Size, bs)
	}
	if p := g.PhysBlockSize; p != 0 && (p < bs || p&(p-1) != 0) {
		return fmt.Errorf("backstore: physical block size %d does not fit the block size %d", p, bs)
	}
	for _, f := range [...]struct {
		name string
		n    int
	}{{"optimal I/O", g.OptimalIO}, {"maximal I/O", g.MaxIO}, {"discard unit", g.DiscardUnit}} {
		if f.n < 0 || f.n%bs != 0 {
			return fmt.Errorf("backstore: %s size %d is not a multiple of the block size %d", f.name, f.n, bs)
		}
	}
	return nil
}

// Blocks is the number of logical blocks.
func (g Geometry) Blocks() uint64 {
	if g.BlockSize <= 0 || g.Size < 0 {
		return 0
	}
	return uint64(g.Size) / uint64(g.BlockSize)
}

// PhysExponent is the logarithm to base 2 of the logical blocks in a physical one, as in READ
// CAPACITY(16) (SBC-4 5.21).
func (g Geometry) PhysExponent() int {
	e := 0
	for p := g.PhysBlockSize; p > g.BlockSize && g.BlockSize > 0; p >>= 1 {
		e++
	}
	return e
}

// CheckRange returns ErrMisaligned or ErrOutOfRange if [off, off+n) is not a range of whole
// blocks of the store. An empty range may lie at Size.
func (g Geometry) CheckRange(off, n int64) error {
	if off < 0 || n < 0 || off > g.Size || n > g.Size-off {
		return ErrOutOfRange
	}
	if mask := int64(g.BlockSize) - 1; (off|n)&mask != 0 {
		return ErrMisaligned
	}
	return nil
}

// CheckIO is CheckRange for the bytes of iov at off, and returns their number.
func (g Geometry) CheckIO(iov [][]byte, off int64) (n int64, err error) {
	n = Len(iov)
	return n, g.CheckRange(off, n)
}

// CheckExtents is CheckRange for each extent.
func (g Geometry) CheckExtents(extents []Extent) error {
	for _, e := range extents {
		if err := g.CheckRange(e.Off, e.Len); err != nil {
			return err
		}
	}
	return nil
}

// FlushRange checks the arguments of Flush and returns the range that they mean: n = 0 is
// everything from off on.
func (g Geometry) FlushRange(off, n int64) (Extent, error) {
	if err := g.CheckRange(off, n); err != nil {
		return Extent{}, err
	}
	if n == 0 {
		n = g.Size - off
	}
	return Extent{Off: off, Len: n}, nil
}

// Len is the number of bytes of iov. A sum that does not fit is math.MaxInt64, which no range
// check lets pass.
func Len(iov [][]byte) int64 {
	var n int64
	for _, b := range iov {
		n += int64(len(b))
		if n < 0 {
			return math.MaxInt64
		}
	}
	return n
}
