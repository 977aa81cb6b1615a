package sgv

// stack is a last-in-first-out list of idle buffers whose cold end can be taken off too. It is a
// ring, so that both ends cost the same and no buffer but the one at hand is touched.
type stack struct {
	ring  []*Buf // length is zero or a power of two
	front int    // index of the coldest
	n     int
}

func (s *stack) push(b *Buf) {
	if s.n == len(s.ring) {
		s.resize(max(16, 2*s.n))
	}
	s.ring[(s.front+s.n)&(len(s.ring)-1)] = b
	s.n++
}

// pop takes the buffer pushed last, or returns nil.
func (s *stack) pop() *Buf {
	if s.n == 0 {
		return nil
	}
	s.n--
	at := &s.ring[(s.front+s.n)&(len(s.ring)-1)]
	b := *at
	*at = nil
	return b
}

// coldest returns the buffer pushed first, or nil.
func (s *stack) coldest() *Buf {
	if s.n == 0 {
		return nil
	}
	return s.ring[s.front]
}

// popCold takes the buffer pushed first, or returns nil.
func (s *stack) popCold() *Buf {
	if s.n == 0 {
		return nil
	}
	at := &s.ring[s.front]
	b := *at
	*at = nil
	s.front = (s.front + 1) & (len(s.ring) - 1)
	s.n--
	return b
}

// shrink gives back the ring when less than a quarter of it is in use.
func (s *stack) shrink() {
	switch {
	case s.n == 0:
		*s = stack{}
	case len(s.ring) > 64 && s.n < len(s.ring)/4:
		s.resize(len(s.ring) / 2)
	}
}

func (s *stack) resize(size int) {
	ring := make([]*Buf, size)
	if s.n > 0 {
		k := copy(ring, s.ring[s.front:min(s.front+s.n, len(s.ring))])
		copy(ring[k:], s.ring[:s.n-k])
	}
	s.ring, s.front = ring, 0
}
