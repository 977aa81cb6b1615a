package sgv

// Wrap returns a Buf over memory of the caller, for handlers and stores that lend their own, holding
// one reference. The headers of segs are copied and empty ones left out. release, if not nil, is called
// once, by the last Release and on its goroutine, when nothing may use the memory any more; it must not block.
// No Limit is charged. Wrap allocates nothing in steady state. It fails with ErrClosed only.
func (p *Pool) Wrap(segs [][]byte, release func()) (*Buf, error) {
	s := p.hint.Get().(*shard)
	b := s.get(wrapClass)
	p.hint.Put(s)
	used := b != nil
	if !used {
		b = &Buf{class: wrapClass, shift: irregular, trim: -1}
		if !s.adopt(b, false) {
			return nil, ErrClosed
		}
	}
	b.refs.Store(1)
	hdr := b.hdr[:0]
	if cap(hdr) == 0 {
		hdr = b.one[:0]
	}
	b.n = 0
	for _, seg := range segs {
		if len(seg) > 0 {
			hdr = append(hdr, seg[:len(seg):len(seg)])
			b.n += len(seg)
		}
	}
	b.hdr, b.segs, b.release = hdr, hdr[:len(hdr):len(hdr)], release
	if debug {
		b.debugBirth(used)
	}
	return b, nil
}

// unwrap gives the memory back to its lender.
func (b *Buf) unwrap() {
	clear(b.hdr)
	b.hdr, b.segs, b.n = b.hdr[:0], nil, 0
	if f := b.release; f != nil {
		b.release = nil
		f()
	}
}

// cost is what b counts against Options.MaxCached while it is idle, in bytes.
func (b *Buf) cost() int64 {
	if b.class == wrapClass {
		return wrapCost
	}
	return b.size
}
