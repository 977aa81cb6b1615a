// Package taskset is the ordering machine of a task set (SAM-5 8): which task may
// run, given the attributes of the others. It is pure: no locks, no goroutines, no
// calls out. Its owner guards it with one lock.
//
// A task takes its place in the order with Add when it arrives, asks to run with Ask
// when it is ready (its data may have had to come first), and leaves with End. After
// Ask said no, Next hands it out as soon as it may run.
package taskset

// Attr is how a task is ordered.
type Attr uint8

// The attributes. Bypass is for tasks that may overtake everything and that hold back
// nobody, such as INQUIRY.
const (
	Simple Attr = iota
	Ordered
	HeadOfQueue
	ACA
	Bypass
)

// Entry is a task's place in a Set; T is the task. The zero value is ready for Add.
type Entry[T any] struct {
	Task T

	attr         Attr
	blocked      bool
	seq          uint64
	prev, next   *Entry[T] // all live tasks, in order of arrival
	oprev, onext *Entry[T] // the ORDERED ones
	bprev, bnext *Entry[T] // the blocked ones, in the order in which they asked
}

// Attr is how the task was added.
func (e *Entry[T]) Attr() Attr { return e.attr }

// Set is a task set. The zero value is empty.
type Set[T any] struct {
	seq           uint64
	first, last   *Entry[T]
	ofirst, olast *Entry[T]
	bfirst, blast *Entry[T]
	live, hq      int
	frozen        bool // an ACA condition exists
	dirty         bool // something ended that may have held others back
}

// Len is the number of live tasks.
func (s *Set[T]) Len() int { return s.live }

// Calm reports that a SIMPLE task may run without asking: nothing in the set orders
// others. It stays true only until the next call of another method.
func (s *Set[T]) Calm() bool {
	return s.ofirst == nil && s.hq == 0 && !s.frozen && s.bfirst == nil
}

// Add appends e as the youngest task.
func (s *Set[T]) Add(e *Entry[T], a Attr) {
	s.seq++
	e.seq, e.attr, e.blocked = s.seq, a, false
	e.prev, e.next = s.last, nil
	if s.last != nil {
		s.last.next = e
	} else {
		s.first = e
	}
	s.last = e
	s.live++
	switch a {
	case Ordered:
		e.oprev, e.onext = s.olast, nil
		if s.olast != nil {
			s.olast.onext = e
		} else {
			s.ofirst = e
		}
		s.olast = e
	case HeadOfQueue:
		s.hq++
	}
}

// Ask reports whether e may run now. If not, e is blocked: Next will return it.
func (s *Set[T]) Ask(e *Entry[T]) bool {
	if s.mayRun(e) {
		return true
	}
	if !e.blocked {
		e.blocked = true
		e.bprev, e.bnext = s.blast, nil
		if s.blast != nil {
			s.blast.bnext = e
		} else {
			s.bfirst = e
		}
		s.blast = e
	}
	return false
}

// mayRun is SAM-5 8.6: HEAD OF QUEUE runs at once; SIMPLE when no HEAD OF QUEUE task
// and no older ORDERED task exists; ORDERED when it is the oldest besides; during ACA
// only the ACA task.
func (s *Set[T]) mayRun(e *Entry[T]) bool {
	if s.frozen {
		return e.attr == ACA || e.attr == Bypass
	}
	switch e.attr {
	case Ordered:
		return s.hq == 0 && s.first == e
	case Simple:
		return s.hq == 0 && (s.ofirst == nil || s.ofirst.seq > e.seq)
	}
	return true
}

// Unblock takes a blocked e out of the queue, to be ended without having run. It
// reports whether e was blocked.
func (s *Set[T]) Unblock(e *Entry[T]) bool {
	if !e.blocked {
		return false
	}
	e.blocked = false
	if e.bprev != nil {
		e.bprev.bnext = e.bnext
	} else {
		s.bfirst = e.bnext
	}
	if e.bnext != nil {
		e.bnext.bprev = e.bprev
	} else {
		s.blast = e.bprev
	}
	e.bprev, e.bnext = nil, nil
	return true
}

// End removes e, whether it ran or not.
func (s *Set[T]) End(e *Entry[T]) {
	s.Unblock(e)
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.last = e.prev
	}
	e.prev, e.next = nil, nil
	s.live--
	switch e.attr {
	case Ordered:
		if e.oprev != nil {
			e.oprev.onext = e.onext
		} else {
			s.ofirst = e.onext
		}
		if e.onext != nil {
			e.onext.oprev = e.oprev
		} else {
			s.olast = e.oprev
		}
		e.oprev, e.onext = nil, nil
		s.dirty = true
	case HeadOfQueue:
		if s.hq--; s.hq == 0 {
			s.dirty = true
		}
	}
	if s.ofirst != nil && s.ofirst == s.first {
		s.dirty = true // the oldest ORDERED task may be what is left
	}
}

// Freeze starts (true) or ends an ACA condition.
func (s *Set[T]) Freeze(on bool) {
	s.frozen = on
	if !on {
		s.dirty = true
	}
}

// Frozen reports whether an ACA condition exists.
func (s *Set[T]) Frozen() bool { return s.frozen }

// Next takes the next blocked task that may run now out of the queue; nil if none.
func (s *Set[T]) Next() *Entry[T] {
	if !s.dirty {
		return nil
	}
	if e := s.first; e != nil && e.blocked && s.mayRun(e) {
		s.Unblock(e) // the oldest is the one in a chain of ORDERED tasks, however many wait
		return e
	}
	for e := s.bfirst; e != nil; e = e.bnext {
		if s.mayRun(e) {
			s.Unblock(e)
			return e
		}
	}
	s.dirty = false
	return nil
}

// All calls yield for every live task, oldest first. The loop's body may End the task
// that it was given, and no other.
func (s *Set[T]) All(yield func(*Entry[T]) bool) {
	for e := s.first; e != nil; {
		next := e.next
		if !yield(e) {
			return
		}
		e = next
	}
}
