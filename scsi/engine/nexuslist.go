package engine

// nexusList is a list of nexuses in the order of their attachment. A change costs the same
// however many there are. What links its members is part of them.
type nexusList struct{ first, last *nexusLinks }

// nexusLinks are a nexus's place in one list.
type nexusLinks struct {
	n          *nexus
	prev, next *nexusLinks
}

// add appends n by its links l, which are in no list.
func (s *nexusList) add(n *nexus, l *nexusLinks) {
	l.n, l.prev = n, s.last
	if s.last != nil {
		s.last.next = l
	} else {
		s.first = l
	}
	s.last = l
}

// remove takes out what was added by l.
func (s *nexusList) remove(l *nexusLinks) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		s.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		s.last = l.prev
	}
	*l = nexusLinks{}
}

// all calls yield for every nexus, the oldest first.
func (s *nexusList) all(yield func(*nexus) bool) {
	for l := s.first; l != nil; l = l.next {
		if !yield(l.n) {
			return
		}
	}
}
