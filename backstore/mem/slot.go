package mem

import "sync/atomic"

// leaf is one piece of the page table. It stays once it was made.
type leaf [leafPages]slot

// slot of the page of off.
func (l *leaf) slot(off int64) *slot { return &l[pageNumber(off)%leafPages] }

// slot is the place of a page in the table, and says how often the page is lent there. All of that
// is one word, so that lending touches no memory but this word, which in a large store has to come
// from far away:
//
//	bits 63-32  the page; 0: none
//	bit  31     busy: a writer changes the page; it is not lent, and not to be lent
//	bits 30-0   leases of the page
//
// The page and the busy bit change below the stripe lock only, the leases at any time.
//
//	          seize, if there is no lease
//	{page, n} ───────────────────────────► {page, busy} ── settle ──► {page, 0}
//	    └─────────────── replace ────────► {other, busy or not}, and the old page is owed n leases
type slot struct{ word atomic.Uint64 }

const (
	slotBusy  = 1 << 31
	maxLeases = slotBusy - 1
)

// page in the slot.
func (s *slot) page() pageID { return pageID(s.word.Load() >> 32) }

// seize makes the slot busy and reports true, unless the page, which is id, is lent.
func (s *slot) seize(id pageID) bool {
	return s.word.CompareAndSwap(uint64(id)<<32, uint64(id)<<32|slotBusy)
}

// settle ends what seize or replace has begun.
func (s *slot) settle() { s.word.And(^uint64(slotBusy)) }

// replace puts a page, or none, into the slot, and returns the leases of the one that was there.
func (s *slot) replace(by pageID, busy bool) (leases int32) {
	w := uint64(by) << 32
	if busy {
		w |= slotBusy
	}
	return int32(s.word.Swap(w) & maxLeases)
}

// lend adds a lease of the page in the slot. It returns 0 if there is no page; with again set, a
// writer has to end first, or a lease, of which there are as many as can be counted.
func (s *slot) lend() (id pageID, again bool) {
	for {
		w := s.word.Load()
		switch {
		case w>>32 == 0:
			return 0, false
		case w&slotBusy != 0, w&maxLeases == maxLeases:
			return 0, true
		case s.word.CompareAndSwap(w, w+1):
			return pageID(w >> 32), false
		}
	}
}

// giveBack ends a lease of the page id. It reports false if the page has lost the slot: then the
// lease is one of those that it is owed.
func (s *slot) giveBack(id pageID) bool {
	for {
		w := s.word.Load()
		if pageID(w>>32) != id {
			// It does not come back before it was free, which this lease prevents.
			return false
		}
		if s.word.CompareAndSwap(w, w-1) {
			return true
		}
	}
}

// owed counts the leases of a page that has lost its slot. Some of them may end before they are
// added: then it is negative for a moment.
type owed struct{ n atomic.Int32 }

// add adds leases and reports whether none is left.
func (o *owed) add(n int32) bool { return o.n.Add(n) == 0 }
