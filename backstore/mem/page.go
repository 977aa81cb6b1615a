package mem

import (
	"math/bits"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

const (
	pageSize  = 64 << 10 // bytes; no block is larger, so that none crosses a page
	leafPages = 512      // pages in a leaf
	leafSize  = pageSize * leafPages
	mapWords  = pageSize / backstore.MinBlockSize / 64
)

// leaf is one piece of the page table. It stays once it was made.
type leaf [leafPages]*page

// page is memory for 64 KiB of the store. Its contents and the map change only below the stripe
// lock while the page table holds the only reference; a page with more is replaced by a copy.
type page struct {
	mem    []byte
	mapped [mapWords]uint64 // a bit for each block
	refs   atomic.Int32     // the page table and each lease
	dirty  bool             // mem may hold something else than zeroes; for a free page
	home   *slabs
	unref  func() // drop, bound once, so that lending does not allocate
	next   *page  // in a list of home
}

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

// find returns the page of off, or nil. Called with the stripe held.
func (s *Store) find(off int64) *page {
	l := s.leafOf(off)
	if l == nil {
		return nil
	}
	return l[pageNumber(off)%leafPages]
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
	l := s.makeLeaf(off)
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.Lock()
	p, err := s.ownPage(l, off, n)
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	a := int(off % pageSize)
	p.mark(a/s.geo.BlockSize, (a+n)/s.geo.BlockSize)
	return p.mem[a : a+n : a+n], nil
}

func (s *Store) unlock(off int64) { s.stripe[pageNumber(off)%stripes].Unlock() }

// ownPage returns the page of off in l, new or copied if need be, so that nobody else refers to
// it. What lies outside [off, off+n) is zero or copied; the inside is undefined. Called with the
// stripe locked.
func (s *Store) ownPage(l *leaf, off int64, n int) (*page, error) {
	if err := s.inside(off, n); err != nil {
		return nil, err
	}
	at := &l[pageNumber(off)%leafPages]
	old := *at
	if old != nil && old.refs.Load() == 1 {
		return old, nil
	}
	p, err := s.pages.get(old != nil)
	if err != nil {
		return nil, err
	}
	a := int(off % pageSize)
	switch {
	case old != nil:
		copy(p.mem[:a], old.mem)
		copy(p.mem[a+n:], old.mem[a+n:])
		p.mapped = old.mapped
		old.drop()
	case p.dirty:
		clear(p.mem[:a])
		clear(p.mem[a+n:])
	}
	p.dirty = true
	*at = p
	return p, nil
}

// freePart makes [off, off+n), which lies in one page, unmapped and zero. Called with the stripe
// locked; the range may lie outside the store. It fails only when the page is lent, the range is a
// part of it, and there is no memory for a copy.
func (s *Store) freePart(l *leaf, off int64, n int) error {
	at := &l[pageNumber(off)%leafPages]
	p := *at
	if p == nil {
		return nil
	}
	a := int(off % pageSize)
	bs := s.geo.BlockSize
	left := p.mapped
	unmark(&left, a/bs, (a+n+bs-1)/bs)
	if left == [mapWords]uint64{} {
		*at = nil
		p.drop()
		return nil
	}
	if left == p.mapped {
		return nil // unmapped blocks are zero already
	}
	if p.refs.Load() != 1 {
		q, err := s.pages.get(true)
		if err != nil {
			return err
		}
		copy(q.mem, p.mem)
		q.dirty = true
		*at = q
		p.drop()
		p = q
	}
	clear(p.mem[a : a+n])
	p.mapped = left
	return nil
}

// drop gives up one reference; the last one makes the page free.
func (p *page) drop() {
	switch n := p.refs.Add(-1); {
	case n == 0:
		p.home.put(p)
	case n < 0:
		panic("mem: second release of lent memory")
	}
}

// mark sets the bits of the blocks [from, to).
func (p *page) mark(from, to int) {
	for i := range p.mapped {
		p.mapped[i] |= wordMask(i, from, to)
	}
}

func unmark(m *[mapWords]uint64, from, to int) {
	for i := range m {
		m[i] &^= wordMask(i, from, to)
	}
}

// run returns whether block from is mapped, and the end of the blocks up to limit that are like it.
func (p *page) run(from, limit int) (mapped bool, end int) {
	mapped = p.mapped[from/64]>>(from%64)&1 != 0
	end = from
	for end < limit {
		word := p.mapped[end/64]
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
