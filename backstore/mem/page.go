package mem

import (
	"math/bits"

	"github.com/goscst/goscst/backstore"
)

const (
	pageSize  = 64 << 10 // bytes; no block is larger, so that none crosses a page
	leafPages = 512      // pages in a leaf
	leafSize  = pageSize * leafPages
	mapWords  = pageSize / backstore.MinBlockSize / 64
)

// pageID names a page; 0 is none.
type pageID uint32

// page is memory for 64 KiB of the store: a view, made where it is needed, of what slabs keeps.
// Its contents and the map change only below the stripe lock, and while its slot is busy.
type page struct {
	id  pageID
	mem []byte
	*pageState
}

// pageState is what is kept of a page beside its memory and its slot.
type pageState struct {
	mapped blockMap
	owed   owed   // leases that it had when it lost its slot
	dirty  bool   // its memory may hold something else than zeroes; for a free page
	next   pageID // in a list of slabs
	own    []byte // its memory, if that is not part of an arena
}

// blockMap has a bit for each block of a page.
type blockMap [mapWords]uint64

func pageNumber(off int64) uint64 { return uint64(off) / pageSize }

// pagePart is how much of [off, off+n) lies in the page of off.
func pagePart(off, n int64) int { return int(min(n, pageSize-off%pageSize)) }

// leaves is the length of the table for a store of size bytes.
func leaves(size int64) int { return int((size + leafSize - 1) / leafSize) }

// leafOf returns the leaf of off, or nil.
func (s *Store) leafOf(off int64) *leaf {
	table := *s.table.Load()
	if i := off / leafSize; i < int64(len(table)) {
		return table[i].Load()
	}
	return nil
}

// find returns the page of off, if there is one. Called with the stripe held.
func (s *Store) find(off int64) (p page, ok bool) {
	l := s.leafOf(off)
	if l == nil {
		return p, false
	}
	id := l.slot(off).page()
	if id == 0 {
		return p, false
	}
	return s.pages.at(id), true
}

// makeLeaf returns the leaf of off, which lies inside the store, and makes it if it is missing.
func (s *Store) makeLeaf(off int64) *leaf {
	if l := s.leafOf(off); l != nil {
		return l
	}
	s.growMu.Lock()
	defer s.growMu.Unlock()
	table := *s.table.Load()
	i := off / leafSize
	l := table[i].Load() // the table covers every size that the store has had
	if l == nil {
		l = new(leaf)
		table[i].Store(l)
	}
	return l
}

// lockForWrite locks the stripe of off and returns the memory of [off, off+n), which lies in one
// page and which the caller overwrites completely before unlock. The blocks become mapped. On an
// error nothing is locked.
func (s *Store) lockForWrite(off int64, n int) ([]byte, error) {
	slot := s.makeLeaf(off).slot(off)
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.Lock()
	p, err := s.ownPage(slot, off, n)
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	a := int(off % pageSize)
	p.mapped.mark(a/s.geo.BlockSize, (a+n)/s.geo.BlockSize)
	return p.mem[a : a+n : a+n], nil
}

// unlock ends what lockForWrite has begun.
func (s *Store) unlock(off int64) {
	s.leafOf(off).slot(off).settle()
	s.stripe[pageNumber(off)%stripes].Unlock()
}

// ownPage returns the page of the slot of off, new or copied if need be, so that nobody else refers
// to it, and leaves the slot busy. What lies outside [off, off+n) is zero or copied; the inside is
// undefined. Called with the stripe locked.
func (s *Store) ownPage(slot *slot, off int64, n int) (page, error) {
	if err := s.inside(off, n); err != nil {
		return page{}, err
	}
	old := slot.page()
	if old != 0 && slot.seize(old) {
		return s.pages.at(old), nil
	}
	p, err := s.pages.get(old != 0)
	if err != nil {
		return page{}, err
	}
	a := int(off % pageSize)
	switch {
	case old != 0:
		q := s.pages.at(old)
		copy(p.mem[:a], q.mem)
		copy(p.mem[a+n:], q.mem[a+n:])
		p.mapped = q.mapped
	case p.dirty:
		clear(p.mem[:a])
		clear(p.mem[a+n:])
	}
	p.dirty = true
	s.replace(slot, old, p.id, true)
	return p, nil
}

// replace puts a page, or none, in the place of another, or none, which is freed when its last
// lease has ended. Called with the stripe locked.
func (s *Store) replace(slot *slot, old, by pageID, busy bool) {
	leases := slot.replace(by, busy)
	if old != 0 && s.pages.at(old).owed.add(leases) {
		s.pages.put(old)
	}
}

// freePart makes [off, off+n), which lies in one page, unmapped and zero. Called with the stripe
// locked; the range may lie outside the store. It fails only when the page is lent, the range is a
// part of it, and there is no memory for a copy.
func (s *Store) freePart(l *leaf, off int64, n int) error {
	slot := l.slot(off)
	old := slot.page()
	if old == 0 {
		return nil
	}
	p := s.pages.at(old)
	a := int(off % pageSize)
	bs := s.geo.BlockSize
	left := p.mapped
	left.unmark(a/bs, (a+n+bs-1)/bs)
	switch {
	case left == blockMap{}:
		s.replace(slot, old, 0, false)
	case left == p.mapped: // unmapped blocks are zero already
	case slot.seize(old):
		clear(p.mem[a : a+n])
		p.mapped = left
		slot.settle()
	default:
		q, err := s.pages.get(true)
		if err != nil {
			return err
		}
		copy(q.mem[:a], p.mem)
		clear(q.mem[a : a+n])
		copy(q.mem[a+n:], p.mem[a+n:])
		q.dirty, q.mapped = true, left
		s.replace(slot, old, q.id, false)
	}
	return nil
}

// mark sets the bits of the blocks [from, to).
func (m *blockMap) mark(from, to int) {
	for i := range m {
		m[i] |= wordMask(i, from, to)
	}
}

// unmark clears the bits of the blocks [from, to).
func (m *blockMap) unmark(from, to int) {
	for i := range m {
		m[i] &^= wordMask(i, from, to)
	}
}

// run returns whether block from is mapped, and the end of the blocks up to limit that are like it.
func (m *blockMap) run(from, limit int) (mapped bool, end int) {
	mapped = m[from/64]>>(from%64)&1 != 0
	end = from
	for end < limit {
		word := m[end/64]
		if mapped {
			word = ^word
		}
		word >>= end % 64
		if word != 0 {
			return mapped, min(limit, end+bits.TrailingZeros64(word))
		}
		end = (end/64 + 1) * 64
	}
	return mapped, limit
}

// wordMask has the bits of word i of a map that stand for the blocks [from, to).
func wordMask(i, from, to int) uint64 {
	lo, hi := max(from-i*64, 0), min(to-i*64, 64)
	if lo >= hi {
		return 0
	}
	return ^uint64(0) >> (64 - (hi - lo)) << lo
}
