package sgv

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"unsafe"
)

// chunkSize is the size in bytes of a chunk: a transparent huge page on all but unusual kernels.
// Where huge pages are larger or switched off, chunks are plain memory.
const chunkSize = 2 << 20

// slotArena cuts chunks into slots of one power-of-two size each. A chunk goes back to where it came
// from when its last slot is free.
type slotArena struct {
	// get makes memory of n bytes, a multiple of chunkSize and aligned to it, and put ends it. Both
	// are called with mu held.
	get func(n int) ([]byte, error)
	put func(mem []byte)

	mu     sync.Mutex
	chunks map[uintptr]*slotChunk                    // guarded by mu; by address
	part   [maxSlotShift + 1]map[*slotChunk]struct{} // guarded by mu; chunks with free slots, by log2 of slot size
}

const (
	minSlotShift = 12 // slots are at least a page
	maxSlotShift = 21 // chunkSize
)

func newSlotArena(get func(n int) ([]byte, error), put func([]byte)) *slotArena {
	return &slotArena{get: get, put: put, chunks: make(map[uintptr]*slotChunk)}
}

// slotChunk is memory that was got in one piece.
type slotChunk struct {
	mem   []byte
	shift int                                    // log2 of the slot size; 0: one slot of any size
	used  int                                    // slots in use
	busy  [chunkSize >> minSlotShift / 64]uint64 // bit set: slot in use
}

// Alloc implements Allocator.
func (a *slotArena) Alloc(n, align int) ([]byte, error) {
	if align > chunkSize {
		return nil, fmt.Errorf("alignment %d exceeds %d", align, chunkSize)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	want := max(n, align, 1<<minSlotShift)
	if want > chunkSize {
		c, err := a.add(want)
		if err != nil {
			return nil, err
		}
		c.used = 1
		return c.mem[:n:n], nil
	}
	shift := bits.Len(uint(want - 1))
	var c *slotChunk
	for c = range a.part[shift] {
		break
	}
	if c == nil {
		var err error
		if c, err = a.add(chunkSize); err != nil {
			return nil, err
		}
		c.shift = shift
		a.link(c)
	}
	i := c.take()
	if c.used == chunkSize>>shift {
		delete(a.part[shift], c)
	}
	off := i << shift
	return c.mem[off : off+n : off+n], nil
}

// Free implements Allocator. Memory that is not from this Allocator is ignored.
func (a *slotArena) Free(seg []byte) {
	if cap(seg) == 0 {
		return
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(seg)))
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.chunks[addr&^(chunkSize-1)]
	if c == nil {
		return
	}
	if c.shift > 0 {
		c.drop(int(addr&(chunkSize-1)) >> c.shift)
		if c.used > 0 {
			a.link(c)
			return
		}
		delete(a.part[c.shift], c)
	}
	delete(a.chunks, uintptr(unsafe.Pointer(unsafe.SliceData(c.mem))))
	a.put(c.mem)
}

// link lists c among the chunks with free slots. The caller holds a.mu.
func (a *slotArena) link(c *slotChunk) {
	if a.part[c.shift] == nil {
		a.part[c.shift] = make(map[*slotChunk]struct{})
	}
	a.part[c.shift][c] = struct{}{}
}

// add gets a chunk of at least n bytes. The caller holds a.mu.
func (a *slotArena) add(n int) (*slotChunk, error) {
	if n = roundUp(n, chunkSize); n <= 0 {
		return nil, errTooMuch
	}
	mem, err := a.get(n)
	if err != nil {
		return nil, err
	}
	c := &slotChunk{mem: mem}
	a.chunks[uintptr(unsafe.Pointer(unsafe.SliceData(mem)))] = c
	return c, nil
}

var errTooMuch = errors.New("no address space is that large")

// take marks a free slot as used and returns its index. There must be one.
func (c *slotChunk) take() int {
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
func (c *slotChunk) drop(i int) {
	bit := uint64(1) << (i & 63)
	if c.busy[i>>6]&bit == 0 {
		panic("sgv: segment freed twice")
	}
	c.busy[i>>6] &^= bit
	c.used--
}

// Carve returns a new Allocator that cuts segments out of mem, and goes on with Heap() when what is
// left of mem has no room: for memory that was made known to a device beforehand. Memory is cut in
// aligned pieces of 2 MiB, what is left at both ends is not used, and a segment of more than 2 MiB
// is of the heap. mem has to stay what it is until no pool uses the Allocator.
func Carve(mem []byte) Allocator {
	c := &carved{}
	skip := 0
	if m := misaligned(mem, chunkSize); m != 0 {
		skip = chunkSize - m
	}
	for at := skip; at+chunkSize <= len(mem); at += chunkSize {
		c.spare = append(c.spare, mem[at:at+chunkSize:at+chunkSize])
	}
	c.slots = newSlotArena(c.get, c.put)
	return c
}

// carved is the Allocator of Carve.
type carved struct {
	slots *slotArena
	spare [][]byte // guarded by slots.mu
}

var errNoRoom = errors.New("no room")

func (c *carved) get(n int) ([]byte, error) {
	k := len(c.spare) - 1
	if n > chunkSize || k < 0 {
		return nil, errNoRoom
	}
	mem := c.spare[k]
	c.spare = c.spare[:k]
	return mem, nil
}

func (c *carved) put(mem []byte) { c.spare = append(c.spare, mem) }

// Alloc implements Allocator.
func (c *carved) Alloc(n, align int) ([]byte, error) {
	if b, err := c.slots.Alloc(n, align); err == nil {
		return b, nil
	}
	return heap{}.Alloc(n, align)
}

// Free implements Allocator; what is of the heap is left to the garbage collector.
func (c *carved) Free(seg []byte) { c.slots.Free(seg) }
