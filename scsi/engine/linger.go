package engine

import handshake "github.com/goscst/goscst/internal/task"

// sendsMapped reports whether the response takes bytes from memory that changes: the command
// has ended, but what it reads it reads when it is sent. Until then it keeps its place in the
// order, so that no ORDERED task runs before. Who waits for its end need not wait for that:
// the result is decided, and nothing that happens on the medium depends on it any more.
func (t *task) sendsMapped() bool {
	return t.st.Loan() == handshake.Mapped && t.st.DataIn > 0 && !t.st.Silent
}

// leave takes a task whose response has left, and which stayed in its set for that reason, out of
// it. It returns what may run now, to be given to set.drain when the task has been recycled.
func (t *task) leave() (set *taskSet, next *task) {
	if !t.lingers { // nobody else changes it
		return nil, nil
	}
	set = t.n.set
	set.mu.Lock()
	defer set.mu.Unlock()
	t.lingers = false // under the lock: who aborts looks at it
	return set, set.end(t)
}
