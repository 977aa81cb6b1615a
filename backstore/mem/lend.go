package mem

// zeroes is lent for pages that are not mapped. Nobody writes to it.
var zeroes [pageSize]byte

// fewPages is how many pages a lease has room for without an allocation of its own: those of a
// transfer of 256 KiB at any offset.
const fewPages = 5

// lease is what Lend gave out. Leases are used again and again: one that was given back last is still
// near the processor.
type lease struct {
	from    *slabs // while it is out: the pages' memory stays for it
	held    []held
	few     [fewPages]held
	out     bool
	release func() // giveBack, bound once
}

// held is a page that is lent.
type held struct {
	slot *slot
	id   pageID
}

func (s *slabs) lease() *lease {
	l, _ := s.leases.Get().(*lease)
	if l == nil {
		l = new(lease)
		l.held = l.few[:0]
		l.release = l.giveBack
	}
	l.from = s
	l.out = true
	return l
}

// Lend lends the pages of [off, off+n). They never change while they are lent: a write meanwhile
// replaces the page by a copy, which takes up to 64 KiB more memory for each page that is lent.
func (s *Store) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if s.closed.Load() || s.Geometry().CheckRange(off, n) != nil {
		return dst, nil, false
	}
	l := s.pages.lease()
	iov = dst
	for n > 0 {
		part := pagePart(off, n)
		h, b := s.lendPart(off, part)
		if b == nil {
			l.giveBack()
			return dst, nil, false
		}
		if h.id != 0 {
			l.held = append(l.held, h)
		}
		iov = append(iov, b)
		off, n = off+int64(part), n-int64(part)
	}
	return iov, l.release, true
}

// lendPart lends from one page; the id is 0 when there is nothing to give back, and b is nil if
// nothing is lent.
func (s *Store) lendPart(off int64, n int) (h held, b []byte) {
	a := int(off % pageSize)
	if l := s.leafOf(off); l != nil {
		h.slot = l.slot(off)
		id, again := h.slot.lend()
		if again {
			if id, again = s.lendLocked(h.slot, off); again {
				return h, nil
			}
		}
		if id != 0 {
			h.id = id
			return h, s.pages.memory(id)[a : a+n : a+n]
		}
	}
	// No page is no data only inside the store.
	if s.inside(off, n) != nil {
		return h, nil
	}
	return h, zeroes[a : a+n : a+n]
}

// lendLocked is slot.lend after the writer who is at it.
func (s *Store) lendLocked(slot *slot, off int64) (id pageID, again bool) {
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.RLock()
	defer lock.RUnlock()
	return slot.lend()
}

// giveBack ends the lease.
func (l *lease) giveBack() {
	if !l.out {
		panic("mem: second release of lent memory")
	}
	l.out = false
	s := l.from
	for i, h := range l.held {
		if !h.slot.giveBack(h.id) && s.at(h.id).owed.add(-1) {
			s.put(h.id)
		}
		l.held[i] = held{}
	}
	l.held, l.from = l.held[:0], nil
	s.leases.Put(l)
}
