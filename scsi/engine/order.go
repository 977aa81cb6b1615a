package engine

import (
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/internal/taskset"
	"github.com/goscst/goscst/scsi"
)

// taskSet is a task set with its lock: of a logical unit if TST is 0, of an I_T_L
// nexus if TST is 1 (SPC-6 7.5.10).
type taskSet struct {
	mu       sync.Mutex
	m        taskset.Set[*task] // guarded by mu
	calm     atomic.Bool        // a copy of m.Calm: SIMPLE tasks need not ask
	draining bool               // guarded by mu; somebody runs what was released
	parked   []*task            // guarded by mu; tasks that wait for the device to be unblocked
	faulted  *nexus             // guarded by mu; whose command established the ACA
}

func newTaskSet() *taskSet {
	s := new(taskSet)
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
	for next != nil {
		next.admit()
		s.mu.Lock()
		next = s.again()
		s.update()
		s.mu.Unlock()
	}
}

// startACA establishes an auto contingent allegiance (SAM-6 5.9); mu is held.
func (s *taskSet) startACA(n *nexus) {
	if !s.m.Frozen() {
		s.m.Freeze(true)
		s.faulted = n
	}
}

// endACA ends it; mu is held.
func (s *taskSet) endACA() {
	s.m.Freeze(false)
	s.faulted = nil
}

// admitsInACA tells whether a new command enters the task set while an ACA exists: only
// one ACA task of the faulted nexus does (SAM-6 5.9.2), and what is told to anybody at
// any time. mu is held.
func (s *taskSet) admitsInACA(t *task, n *nexus, attr taskset.Attr) bool {
	if attr == taskset.Bypass && s.faulted != n {
		return t.Op().Flags&scsi.FlagSkipUA != 0
	}
	if attr != taskset.ACA || s.faulted != n {
		return false
	}
	for e := range s.m.All {
		if e.Task.Attr == scsi.ACA && e.Task.flags.Load()&flagAborted == 0 {
			return false
		}
	}
	return true
}

// statusInACA is the status of a command that may not enter (SAM-6 5.9.2, tables 35 and
// 36); mu is held.
func (s *taskSet) statusInACA(t *task, n *nexus) scsi.Status {
	if s.faulted == n || t.NACA() {
		return scsi.StatusACAActive
	}
	return scsi.StatusBusy
}

// qerr aborts what QERR says must not go on after a CHECK CONDITION (SPC-6 7.5.10).
func (n *nexus) qerr(q uint8) {
	own := func(t *task) bool { return t.n == n }
	if q == 3 {
		n.set.abort(own, n, nil)
		return
	}
	n.d.eachSet(func(s *taskSet) {
		if s == n.set || n.d.shared != nil {
			s.abort(func(*task) bool { return true }, n, nil)
		}
	})
}
