package engine

// sendsMapped reports whether the response takes bytes from memory that changes: the command
// has ended, but what it reads it reads when it is sent. Until then it keeps its place in the
// order, so that no ORDERED task runs before. Who waits for its end need not wait for that:
// the result is decided, and nothing that happens on the medium depends on it any more.
func (t *task) sendsMapped() bool { return t.st.Mapped && t.st.DataIn > 0 && !t.st.Silent }

// leave takes a task out of its set that stayed for that reason, and returns what may run now.
func (s *taskSet) leave(t *task) (next *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.lingers = false
	s.m.End(&t.place)
	next = s.release()
	s.update()
	return next
}
