package sgv

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugeSize is the size in bytes of a chunk: a transparent huge page on all but unusual kernels.
// Where huge pages are larger or switched off, chunks are plain memory.
const hugeSize = 2 << 20

// HugePages returns a new Allocator on anonymous mappings that the kernel backs with transparent huge
// pages where it can (MADV_HUGEPAGE), which saves TLB misses when data is copied and page pinning work
// when it is sent. On other systems it is Heap().
//
// The memory is outside the Go heap: GOMEMLIMIT does not see it, and it is unmapped only when its
// buffers are released and no longer cached. A pool that uses it should be closed after use.
func HugePages() Allocator {
	return &hugeArena{chunks: make(map[uintptr]*hugeChunk)}
}

// hugeArena cuts mapped chunks into slots of one power-of-two size each. A chunk is unmapped when
// its last slot is free.
type hugeArena struct {
	mu     sync.Mutex
	chunks map[uintptr]*hugeChunk                    // guarded by mu; by address
	part   [maxSlotShift + 1]map[*hugeChunk]struct{} // guarded by mu; chunks with free slots, by log2 of slot size
}

const (
	minSlotShift = 12 // slots are at least a page
	maxSlotShift = 21 // hugeSize
)

// hugeChunk is one mapping, aligned to hugeSize.
type hugeChunk struct {
	mem   []byte
	shift int                                   // log2 of the slot size; 0: one slot of any size
	used  int                                   // slots in use
	busy  [hugeSize >> minSlotShift / 64]uint64 // bit set: slot in use
}

// Alloc implements Allocator.
func (a *hugeArena) Alloc(n, align int) ([]byte, error) {
	if align > hugeSize {
		return nil, fmt.Errorf("alignment %d exceeds %d", align, hugeSize)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	want := max(n, align, 1<<minSlotShift)
	if want > hugeSize {
		c, err := a.mapChunk(want)
		if err != nil {
			return nil, err
		}
		c.used = 1
		return c.mem[:n:n], nil
	}
	shift := bits.Len(uint(want - 1))
	var c *hugeChunk
	for c = range a.part[shift] {
		break
	}
	if c == nil {
		var err error
		if c, err = a.mapChunk(hugeSize); err != nil {
			return nil, err
		}
		c.shift = shift
		a.link(c)
	}
	i := c.take()
	if c.used == hugeSize>>shift {
		delete(a.part[shift], c)
	}
	off := i << shift
	return c.mem[off : off+n : off+n], nil
}

// Free implements Allocator. Memory that is not from this Allocator is ignored.
func (a *hugeArena) Free(seg []byte) {
	if cap(seg) == 0 {
		return
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(seg)))
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.chunks[addr&^(hugeSize-1)]
	if c == nil {
		return
	}
	if c.shift > 0 {
		c.drop(int(addr&(hugeSize-1)) >> c.shift)
		if c.used > 0 {
			a.link(c)
			return
		}
		delete(a.part[c.shift], c)
	}
	a.unmap(c)
}

// link lists c among the chunks with free slots. The caller holds a.mu.
func (a *hugeArena) link(c *hugeChunk) {
	if a.part[c.shift] == nil {
		a.part[c.shift] = make(map[*hugeChunk]struct{})
	}
	a.part[c.shift][c] = struct{}{}
}

// mapChunk maps at least n bytes aligned to hugeSize. The caller holds a.mu.
func (a *hugeArena) mapChunk(n int) (*hugeChunk, error) {
	n = roundUp(n, hugeSize)
	if n <= 0 {
		return nil, unix.ENOMEM
	}
	// An aligned range is cut out of a larger one and the rest is unmapped.
	size := uintptr(n) + hugeSize
	p, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	head := -uintptr(p) & (hugeSize - 1)
	// The memory is not the garbage collector's, so that pointers into it need no owner.
	start := unsafe.Add(p, head)
	if head > 0 {
		err = unix.MunmapPtr(p, head)
	}
	if tail := hugeSize - head; err == nil && tail > 0 {
		err = unix.MunmapPtr(unsafe.Add(start, n), tail)
	}
	if err != nil {
		return nil, fmt.Errorf("munmap: %w", err)
	}
	c := &hugeChunk{mem: unsafe.Slice((*byte)(start), n)}
	// Fails on kernels without huge pages; small ones do then.
	_ = unix.Madvise(c.mem, unix.MADV_HUGEPAGE)
	a.chunks[uintptr(start)] = c
	return c, nil
}

// unmap ends a chunk. The caller holds a.mu.
func (a *hugeArena) unmap(c *hugeChunk) {
	p := unsafe.Pointer(unsafe.SliceData(c.mem))
	delete(a.chunks, uintptr(p))
	// It cannot fail for a range mapped here, and if it did, the memory would only be lost.
	_ = unix.MunmapPtr(p, uintptr(len(c.mem)))
}

// take marks a free slot as used and returns its index. There must be one.
func (c *hugeChunk) take() int {
	for w := range c.busy {
		if i := bits.TrailingZeros64(^c.busy[w]); i < 64 {
			c.busy[w] |= 1 << i
			c.used++
			return w<<6 | i
		}
	}
	panic("sgv: chunk without a free slot listed as having one")
}

// drop marks slot i as free.
func (c *hugeChunk) drop(i int) {
	bit := uint64(1) << (i & 63)
	if c.busy[i>>6]&bit == 0 {
		panic("sgv: segment freed twice")
	}
	c.busy[i>>6] &^= bit
	c.used--
}
