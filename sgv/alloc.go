package sgv

import (
	"errors"
	"fmt"
	"unsafe"
)

// ErrAlloc is wrapped by the errors of Get when the Allocator fails.
var ErrAlloc = errors.New("sgv: allocator failed")

// Allocator supplies the memory of segments. Its methods may be called concurrently, without any
// lock of the pool held; they must not call the pool.
type Allocator interface {
	// Alloc returns n bytes whose address is a multiple of align, a power of two. The contents
	// do not matter. The slice must have at least n bytes; those beyond n are not used.
	Alloc(n, align int) ([]byte, error)
	// Free takes back a segment that Alloc returned, with its length n, when its buffer is not
	// cached any longer.
	Free(seg []byte)
}

// Heap returns the Allocator that pools use by default: memory of the Go heap, which the garbage
// collector takes back. It counts towards GOMEMLIMIT.
func Heap() Allocator { return heap{} }

type heap struct{}

// Alloc never fails; the runtime ends the process when there is no memory.
func (heap) Alloc(n, align int) ([]byte, error) {
	b := make([]byte, n)
	if n == 0 || misaligned(b, align) == 0 {
		return b, nil
	}
	// Large and power-of-two objects of the Go heap are aligned to pages, so this is rare.
	b = make([]byte, n+align-1)
	off := 0
	if m := misaligned(b, align); m != 0 {
		off = align - m
	}
	return b[off : off+n : off+n], nil
}

func (heap) Free([]byte) {}

// blank marks an Allocator of this package whose memory is zero when it is new.
func (heap) blank() {}

// misaligned returns by how many bytes the address of b exceeds a multiple of align.
// The address is only looked at and never converted back, so b may live anywhere.
func misaligned(b []byte, align int) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) & uintptr(align-1))
}

// allocSegs appends to dst segments of together capacity bytes, a multiple of p.align.
func (p *Pool) allocSegs(dst [][]byte, capacity int) ([][]byte, error) {
	for left := capacity; left > 0; {
		n := min(left, p.segSize)
		seg, err := p.alloc.Alloc(n, p.align)
		if err == nil && (len(seg) < n || misaligned(seg, p.align) != 0) {
			err = fmt.Errorf("segment of %d bytes is short or not aligned to %d", n, p.align)
			p.alloc.Free(seg)
		}
		if err != nil {
			for _, s := range dst {
				p.alloc.Free(s)
			}
			return nil, fmt.Errorf("%w: %w", ErrAlloc, err)
		}
		dst = append(dst, seg[:n:n])
		left -= n
	}
	return dst, nil
}
