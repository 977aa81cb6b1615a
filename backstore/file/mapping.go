package file

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/goscst/goscst/backstore"
)

const (
	// windowSize is what the ends of windows are rounded up to, in bytes: a file may grow that
	// much before another one is needed. Addresses behind the end of the file cost nothing.
	windowSize = 1 << 30

	// chunkSize is how much is looked up in the page cache at once, in bytes, and lookAgain
	// how long the answer counts if all of it is there. To ask costs as much as to read 4 KiB,
	// and what was there a moment ago and is not now makes a send wait for the drive once.
	chunkSize = 256 << 10
	lookAgain = time.Second
)

// mapping is the file as memory, for system calls to read. Nothing in this program may look at
// it: where the file has become shorter, or its device fails, that is the end of the process,
// while a system call just fails.
type mapping struct {
	// refs counts what is lent, and the store itself. At zero everything is unmapped, and no
	// reference is given out any more.
	refs    atomic.Int64
	windows atomic.Pointer[[]window] // one behind the other from 0 on; replaced when there are more
	release func()                   // unref, bound once
	gone    chan struct{}            // closed when nothing is mapped any more
	clock   func() time.Duration     // tests have their own

	// holes is held for reading while the page cache is looked at and the answer noted, and for
	// writing while pages are taken from the file: what is noted as there would be read, and
	// with that made, after it has gone.
	holes sync.RWMutex
}

// window is a part of the file in one piece of memory.
type window struct {
	off  int64
	mem  []byte
	seen []atomic.Pointer[marks] // of each chunk: when all of it was in the page cache; 0: not known
}

// marks are those of some chunks in a row. They are made when one of them is needed.
type marks [1024]atomic.Uint32

// mark is that of chunk c.
func (w *window) mark(c int64) *atomic.Uint32 {
	p := &w.seen[c/int64(len(marks{}))]
	m := p.Load()
	if m == nil {
		m = new(marks)
		if !p.CompareAndSwap(nil, m) {
			m = p.Load()
		}
	}
	return &m[c%int64(len(marks{}))]
}

func newMapping() *mapping {
	start := time.Now()
	m := &mapping{gone: make(chan struct{}), clock: func() time.Duration { return time.Since(start) }}
	m.release = m.unref
	m.windows.Store(new([]window))
	m.refs.Store(1)
	return m
}

// ref takes a reference, unless the last one is gone.
func (m *mapping) ref() bool {
	for {
		n := m.refs.Load()
		if n == 0 {
			return false
		}
		if m.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// unref gives a reference back.
func (m *mapping) unref() {
	n := m.refs.Add(-1)
	if n < 0 {
		panic("file: second release of lent memory")
	}
	if n > 0 {
		return
	}
	for _, w := range *m.windows.Load() {
		unmapFile(w.mem)
	}
	close(m.gone)
}

// end is the first byte that is not mapped. Windows are added by one goroutine at a time.
func (m *mapping) end() int64 {
	ws := *m.windows.Load()
	if len(ws) == 0 {
		return 0
	}
	last := ws[len(ws)-1]
	return last.off + int64(len(last.mem))
}

// append appends the memory of [off, off+n) to dst if all of it is mapped and in the page cache.
// size is that of the file.
func (m *mapping) append(dst [][]byte, off, n, size int64) ([][]byte, bool) {
	now := uint32(m.clock()/lookAgain) + 1
	iov := dst
	ws := *m.windows.Load()
	for i := range ws {
		w := &ws[i]
		at := off - w.off
		if at >= int64(len(w.mem)) {
			continue
		}
		part := min(n, int64(len(w.mem))-at)
		if !m.resident(w, at, part, size-w.off, now) {
			return dst, false
		}
		iov = append(iov, w.mem[at:at+part:at+part])
		if off, n = off+part, n-part; n == 0 {
			return iov, true
		}
	}
	return dst, false
}

// resident tells whether n bytes at at of a window are in the page cache, or were so in this turn
// of the clock. size is what the window has of the file.
func (m *mapping) resident(w *window, at, n, size int64, now uint32) bool {
	for c := at / chunkSize; c*chunkSize < at+n; c++ {
		mark := w.mark(c)
		if mark.Load() == now {
			continue
		}
		if !m.holes.TryRLock() {
			return false
		}
		from := c * chunkSize
		mem := w.mem[from:min(from+chunkSize, size)]
		missing, ok := lookUp(mem, max(at-from, 0), min(at+n-from, chunkSize))
		if ok && !missing && mark.Swap(now) == 0 {
			populate(mem) // once, which is faster than a fault for every few pages
		}
		m.holes.RUnlock()
		if !ok {
			return false
		}
	}
	return true
}

// forget has the page cache looked at again for [off, off+n), from which pages were taken: to
// read them would fill holes of a file in memory. Called with holes held for writing.
func (m *mapping) forget(off, n int64) {
	for _, w := range *m.windows.Load() {
		from, to := max(off-w.off, 0), min(off+n-w.off, int64(len(w.mem)))
		for c := from / chunkSize; c*chunkSize < to; c++ {
			w.mark(c).Store(0)
		}
	}
}

// Intact reports whether the file is still as long as the store. Where somebody else has cut it
// off, the system fails reads of whole pages behind its end, but the rest of its last page reads
// as zeroes.
func (s *Store) Intact() bool {
	return s.mapped.Load() != nil && s.h.reaches(s.Geometry().Size)
}

// LendMapped lends the file's pages if all of the range is in the page cache. What is not, and
// holes of files in memory, which to read would fill, go another way.
func (s *Store) LendMapped(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	m := s.mapped.Load()
	if m == nil || n <= 0 || !m.ref() {
		return dst, nil, false
	}
	if g := s.Geometry(); g.CheckRange(off, n) == nil {
		if iov, ok = m.append(dst, off, n, g.Size); ok {
			return iov, m.release, true
		}
	}
	m.unref()
	return dst, nil, false
}

// mapUpTo maps the first size bytes if that is possible here, as far as they are not mapped
// yet, in a store that g describes. It is called within an operation of base, or before anybody else
// has s, by one goroutine at a time, and is of no use to a store that is closed.
func (s *Store) mapUpTo(size int64, g backstore.Geometry) {
	if g.Without.Has(backstore.CapLendMapped) || size == 0 {
		return
	}
	m := s.mapped.Load()
	fresh := m == nil
	if fresh {
		m = newMapping()
	}
	from := m.end()
	if from < size {
		to := (size-1)/windowSize*windowSize + windowSize
		mem, err := s.h.mapFile(from, to-from)
		if err != nil {
			return // what is there already stays, and the rest is copied
		}
		ws := append([]window(nil), *m.windows.Load()...)
		ws = append(ws, window{off: from, mem: mem, seen: make([]atomic.Pointer[marks], len(mem)/chunkSize/len(marks{}))})
		m.windows.Store(&ws)
	}
	if fresh {
		s.mapped.Store(m)
	}
}

// dropMapping ends lending and returns what is closed when nothing is lent any more.
func (s *Store) dropMapping() (gone <-chan struct{}) {
	m := s.mapped.Swap(nil)
	if m == nil {
		return nil
	}
	m.unref()
	return m.gone
}
