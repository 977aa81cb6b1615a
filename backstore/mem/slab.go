package mem

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

const (
	arenaSize  = 64 << 20 // bytes of address space taken at a time; touched page by page
	arenaPages = arenaSize / pageSize
	keepDirty  = 256 // free pages kept with their memory for the next write
)

// slabs is where pages come from. It outlives the Store until the last lent page is back. It is
// safe for concurrent use.
type slabs struct {
	heap  bool  // pages come from the Go heap one by one
	huge  bool  // ask for huge pages
	limit int64 // pages; 0: none

	arenas atomic.Pointer[[]*arena] // grows with mu held; of page id at (id-1)/arenaPages
	leases sync.Pool                // of *lease

	mu      sync.Mutex
	mapped  *mappings // guarded by mu
	used    pageID    // guarded by mu; pages that were ever made
	dirty   pageID    // guarded by mu; free pages with memory
	nDirty  int       // guarded by mu
	clean   pageID    // guarded by mu; free pages whose memory the system has taken back
	live    int64     // guarded by mu; pages that are not free
	closing bool      // guarded by mu
}

// arena is the pages of one piece of address space.
type arena struct {
	mem    []byte // nil: each page has memory of its own
	states [arenaPages]pageState
}

// mappings is the memory that must be given back to the system.
type mappings struct{ list [][]byte }

func newSlabs(limit int64, huge bool) *slabs {
	s := &slabs{heap: !haveArenas, huge: huge, mapped: &mappings{}}
	s.arenas.Store(new([]*arena))
	if limit > 0 {
		s.limit = max(1, limit/pageSize)
	}
	// A store that is dropped without Close does not keep its memory for ever. The store and every
	// lease refer to s, so that nothing of the arenas is in use when s is unreachable.
	runtime.AddCleanup(s, (*mappings).unmap, s.mapped)
	return s
}

// at returns a page that is not free.
func (s *slabs) at(id pageID) page {
	a, i := (*s.arenas.Load())[(id-1)/arenaPages], int(id-1)%arenaPages
	st := &a.states[i]
	if a.mem == nil {
		return page{id, st.own, st}
	}
	return page{id, a.mem[i*pageSize : (i+1)*pageSize : (i+1)*pageSize], st}
}

// memory returns what at does, without the state.
func (s *slabs) memory(id pageID) []byte {
	a, i := (*s.arenas.Load())[(id-1)/arenaPages], int(id-1)%arenaPages
	if a.mem == nil {
		return a.states[i].own
	}
	return a.mem[i*pageSize : (i+1)*pageSize : (i+1)*pageSize]
}

// get returns a page without leases and mapped blocks. If dirty is set, its memory holds what it
// held before. The limit does not count for the copy of a page: overwriting and freeing must
// not fail for lack of space.
func (s *slabs) get(isCopy bool) (page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return page{}, backstore.ErrClosed
	}
	if s.limit > 0 && s.live >= s.limit && !isCopy {
		return page{}, backstore.ErrNoSpace
	}
	id := s.dirty
	switch {
	case id != 0:
		s.dirty = s.at(id).next
		s.nDirty--
	case s.clean != 0:
		id = s.clean
		s.clean = s.at(id).next
	default:
		var err error
		if id, err = s.carve(); err != nil {
			return page{}, err
		}
	}
	p := s.at(id)
	if p.mem == nil { // it has none of an arena, and its own has been dropped
		p.own = make([]byte, pageSize)
		p.mem = p.own
	}
	p.next, p.mapped = 0, blockMap{}
	s.live++
	return p, nil
}

// put takes back a page that has no slot and no leases.
func (s *slabs) put(id pageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.at(id)
	s.live--
	switch {
	case s.closing:
		p.own = nil
		s.unmapUnused()
	case s.nDirty < keepDirty || !s.discard(p):
		p.next, s.dirty = s.dirty, id
		s.nDirty++
	default:
		p.dirty = false
		p.next, s.clean = s.clean, id
	}
}

// close gives the memory back as soon as no page is in use.
func (s *slabs) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.unmapUnused()
}

func (s *slabs) allocated() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live * pageSize
}

// unmapUnused is called with mu held.
func (s *slabs) unmapUnused() {
	if s.live == 0 {
		s.dirty, s.clean, s.nDirty = 0, 0, 0
		s.arenas.Store(new([]*arena))
		s.mapped.unmap()
	}
}

// carve returns a page that was never used; its memory is zero. Called with mu held.
func (s *slabs) carve() (pageID, error) {
	if s.used == ^pageID(0) {
		return 0, backstore.ErrNoSpace
	}
	if s.used%arenaPages == 0 {
		a := new(arena)
		if !s.heap {
			mapped, usable, err := mapArena(arenaSize, s.huge)
			if err != nil {
				return 0, backstore.ErrNoSpace
			}
			s.mapped.list = append(s.mapped.list, mapped)
			a.mem = usable
		}
		// Who has the old slice does not look behind its end.
		grown := append(*s.arenas.Load(), a)
		s.arenas.Store(&grown)
	}
	s.used++
	return s.used, nil
}

// discard gives the memory of a free page back to the system, or leaves it to the garbage collector.
// It reads as zeroes when it is used again. False means that it keeps its contents.
func (s *slabs) discard(p page) bool {
	if p.own != nil {
		p.own = nil
		return true
	}
	return discardArena(p.mem)
}

// unmap gives all of it back.
func (m *mappings) unmap() {
	for _, b := range m.list {
		unmapArena(b)
	}
	m.list = nil
}
