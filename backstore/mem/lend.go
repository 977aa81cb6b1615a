package mem

import "sync"

// zeroes is lent for pages that are not mapped. Nobody writes to it.
var zeroes [pageSize]byte

// keepLeases is how many leases wait for their next use.
const keepLeases = 256

// lease is what Lend gave out of more than one page.
type lease struct {
	from    *leases
	pages   []*page
	out     bool
	release func() // giveBack, bound once
	next    *lease // in from
}

// leases are those that are not out. The zero value is empty.
type leases struct {
	mu    sync.Mutex
	first *lease // guarded by mu
	n     int    // guarded by mu
}

func (f *leases) get() *lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.first
	if l == nil {
		l = &lease{from: f}
		l.release = l.giveBack
	} else {
		f.first, l.next = l.next, nil
		f.n--
	}
	l.out = true
	return l
}

// Lend lends the pages of [off, off+n). They never change while they are lent: a write meanwhile
// replaces the page by a copy, which takes up to 64 KiB more memory for each page that is lent.
func (s *Store) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if s.closed.Load() || s.Geometry().CheckRange(off, n) != nil {
		return dst, nil, false
	}
	if n > 0 && int64(pagePart(off, n)) == n {
		p, b, ok := s.lendPart(off, int(n))
		if !ok {
			return dst, nil, false
		}
		if p == nil {
			return append(dst, b), releaseNothing, true
		}
		return append(dst, b), p.unref, true
	}
	l := s.leases.get()
	iov = dst
	for n > 0 {
		part := pagePart(off, n)
		p, b, ok := s.lendPart(off, part)
		if !ok {
			l.giveBack()
			return dst, nil, false
		}
		if p != nil {
			l.pages = append(l.pages, p)
		}
		iov = append(iov, b)
		off, n = off+int64(part), n-int64(part)
	}
	return iov, l.release, true
}

// lendPart lends from one page; p is nil when there is nothing to give back.
func (s *Store) lendPart(off int64, n int) (p *page, b []byte, ok bool) {
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.RLock()
	defer lock.RUnlock()
	if s.inside(off, n) != nil {
		return nil, nil, false
	}
	a := int(off % pageSize)
	if p = s.find(off); p == nil {
		return nil, zeroes[a : a+n : a+n], true
	}
	p.refs.Add(1)
	return p, p.mem[a : a+n : a+n], true
}

func (l *lease) giveBack() {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	if !l.out {
		panic("mem: second release of lent memory")
	}
	l.out = false
	for i, p := range l.pages {
		p.drop()
		l.pages[i] = nil
	}
	l.pages = l.pages[:0]
	if l.from.n < keepLeases {
		l.next, l.from.first = l.from.first, l
		l.from.n++
	}
}

func releaseNothing() {}
