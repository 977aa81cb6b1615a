package mem

import (
	"runtime"
	"sync"

	"github.com/goscst/goscst/backstore"
)

const (
	arenaSize = 64 << 20 // bytes of address space taken at a time; touched page by page
	keepDirty = 256      // free pages kept with their memory for the next write
)

// slabs is where pages come from. It outlives the Store until the last lent page is back. It is
// safe for concurrent use.
type slabs struct {
	heap  bool  // pages come from the Go heap one by one
	huge  bool  // ask for huge pages
	limit int64 // pages; 0: none

	mu      sync.Mutex
	arenas  *arenas // guarded by mu
	fresh   []byte  // guarded by mu; the untouched rest of the last arena
	dirty   *page   // guarded by mu; free pages with memory
	nDirty  int     // guarded by mu
	clean   *page   // guarded by mu; free pages whose memory the system has taken back
	live    int64   // guarded by mu; pages that are not free
	closing bool    // guarded by mu
}

// arenas is the memory that must be given back to the system.
type arenas struct{ mapped [][]byte }

func newSlabs(limit int64, huge bool) *slabs {
	s := &slabs{heap: !haveArenas, huge: huge, arenas: &arenas{}}
	if limit > 0 {
		s.limit = max(1, limit/pageSize)
	}
	// A store that is dropped without Close does not keep its memory for ever. Every page and
	// every lease refers to s, so that nothing of the arenas is in use when s is unreachable.
	runtime.AddCleanup(s, (*arenas).unmap, s.arenas)
	return s
}

// get returns a page with one reference and no mapped blocks. If dirty is set, its memory holds
// what it held before. The limit does not count for the copy of a page: overwriting and freeing must
// not fail for lack of space.
func (s *slabs) get(isCopy bool) (*page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, backstore.ErrClosed
	}
	if s.limit > 0 && s.live >= s.limit && !isCopy {
		return nil, backstore.ErrNoSpace
	}
	p := s.dirty
	if p != nil {
		s.dirty = p.next
		s.nDirty--
	} else if p = s.clean; p != nil {
		s.clean = p.next
		if p.mem == nil {
			p.mem = make([]byte, pageSize)
		}
	} else {
		mem, err := s.carve()
		if err != nil {
			return nil, err
		}
		p = &page{mem: mem, home: s}
		p.unref = p.drop
	}
	p.next = nil
	p.mapped = [mapWords]uint64{}
	p.refs.Store(1)
	s.live++
	return p, nil
}

// put takes back a page without references.
func (s *slabs) put(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	switch {
	case s.closing:
		p.mem = nil
		s.unmapUnused()
	case s.nDirty < keepDirty || !s.discard(p):
		p.next, s.dirty = s.dirty, p
		s.nDirty++
	default:
		p.dirty = false
		p.next, s.clean = s.clean, p
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
		s.fresh, s.dirty, s.clean, s.nDirty = nil, nil, nil, 0
		s.arenas.unmap()
	}
}

// carve returns the memory of a new page, zeroed. Called with mu held.
func (s *slabs) carve() ([]byte, error) {
	if s.heap {
		return make([]byte, pageSize), nil
	}
	if len(s.fresh) == 0 {
		mapped, usable, err := mapArena(arenaSize, s.huge)
		if err != nil {
			return nil, backstore.ErrNoSpace
		}
		s.arenas.mapped = append(s.arenas.mapped, mapped)
		s.fresh = usable
	}
	mem := s.fresh[:pageSize:pageSize]
	s.fresh = s.fresh[pageSize:]
	return mem, nil
}

// discard gives the memory of a free page back to the system, or leaves it to the garbage collector.
// It reads as zeroes when it is used again. False means that it keeps its contents.
func (s *slabs) discard(p *page) bool {
	if s.heap {
		p.mem = nil
		return true
	}
	return discardArena(p.mem)
}

// unmap gives all arenas back.
func (a *arenas) unmap() {
	for _, m := range a.mapped {
		unmapArena(m)
	}
	a.mapped = nil
}
