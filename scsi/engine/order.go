package engine

import (
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/internal/taskset"
	"github.com/goscst/goscst/scsi"
)

// taskSet is a task set with its lock: of a logical unit if TST is 0, of an I_T_L
// nexus if TST is 1 (SPC-4 7.5.8).
type taskSet struct {
	mu       sync.Mutex
	m        taskset.Set[*task] // guarded by mu
	calm     atomic.Bool        // a copy of m.Calm: SIMPLE tasks need not ask
	draining bool               // guarded by mu; somebody runs what was released
	faulted  *nexus             // guarded by mu; whose command established the ACA
}

func newTaskSet() *taskSet { return new(taskSet).init() }

// init makes the zero value ready for use.
func (s *taskSet) init() *taskSet {
	s.calm.Store(true)
	return s
}

// update keeps calm true to m; mu is held.
func (s *taskSet) update() {
	if c := s.m.Calm(); c != s.calm.Load() {
		s.calm.Store(c)
	}
}

// release takes the next task that may run, unless somebody is about to ask for it
// anyway; then that one runs it too. So a chain of tasks that release each other is
// a loop and not a recursion. mu is held.
func (s *taskSet) release() *task {
	if s.draining {
		return nil
	}
	if e := s.m.Next(); e != nil {
		s.draining = true
		return e.Task
	}
	return nil
}

// end takes a task out of the set, and returns what may run now, as release does. mu is held.
func (s *taskSet) end(t *task) (next *task) {
	s.m.End(&t.place)
	if !s.calm.Load() { // else there is nobody to be released
		next = s.release()
		s.update()
	}
	return next
}

// again takes the next task for the one whom release gave one; mu is held.
func (s *taskSet) again() *task {
	if e := s.m.Next(); e != nil {
		return e.Task
	}
	s.draining = false
	return nil
}

// run runs all tasks that may run now.
func (s *taskSet) run() {
	s.mu.Lock()
	next := s.release()
	s.update()
	s.mu.Unlock()
	s.drain(next)
}

// drain runs what release has given, and what may run then.
func (s *taskSet) drain(next *task) {
	if next == nil {
		return
	}
	defer func() {
		if next != nil { // a handler has ended the goroutine
			s.drain(s.another())
		}
	}()
	for next != nil {
		next.admit()
		next = s.another()
	}
}

// another is again with the lock.
func (s *taskSet) another() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.again()
	s.update()
	return next
}

// failed does what a CHECK CONDITION of t means for other tasks: with NACA it establishes
// an auto contingent allegiance (SAM-5 5.9), and QERR says who must not go on (SPC-4
// 7.5.10). An initiator whose logical unit is gone could not clear the former.
func (n *nexus) failed(t *task) {
	if t.NACA() {
		n.set.mu.Lock()
		if !n.set.m.Frozen() && !n.gone {
			n.set.m.Freeze(true)
			n.set.faulted = n
			n.set.update()
		}
		n.set.mu.Unlock()
	}
	switch n.d.control.Load().QErr {
	case 1:
		n.set.abort(everyTask, n.is, nil)
	case 3:
		n.set.abort(n.owns, n.is, nil)
	}
}

// endACA ends the ACA condition of a nexus, or any if n is nil, and runs what it held
// back. It reports whether there was one.
func (s *taskSet) endACA(n *nexus) bool {
	s.mu.Lock()
	ends := s.m.Frozen() && (n == nil || s.faulted == n)
	if ends {
		s.m.Freeze(false)
		s.faulted = nil
		s.update()
	}
	s.mu.Unlock()
	if ends {
		apart(s.run)
	}
	return ends
}

// admitsInACA tells whether a new command enters the task set while an ACA exists: only
// one ACA task of the faulted nexus does (SAM-5 5.9.2), none with TMF_ONLY (SPC-4 7.5.8),
// and what is told to anybody at any time. mu is held.
func (s *taskSet) admitsInACA(t *task, n *nexus) bool {
	if s.faulted != n {
		return t.Attr == scsi.Simple && t.Op().Flags&scsi.FlagSkipUA != 0
	}
	if t.Attr != scsi.ACA || n.d.control.Load().TMFOnly {
		return false
	}
	for e := range s.m.All {
		if e.Task.Attr == scsi.ACA && !e.Task.status.has(flagAborted|flagEnded) {
			return false
		}
	}
	return true
}

// statusInACA is the status of a command that may not enter (SAM-5 5.9.2);
// mu is held.
func (s *taskSet) statusInACA(t *task, n *nexus) error {
	if s.faulted == n || t.NACA() {
		return scsi.ErrACAActive
	}
	return scsi.ErrBusy
}
