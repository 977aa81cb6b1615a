package engine

import "github.com/goscst/goscst/scsi"

// check is the slow path of admission, taken when one of the gates is shut: a blocked
// device, a unit attention to tell, write protection. It reports false if the
// command has been parked or answered.
func (t *task) check() bool {
	n := t.n
	if n.gate.Load()&gateBlocked != 0 && t.Op().Op != scsi.OpReportLUNs && !t.park() {
		return false
	}
	if t.aborted() {
		return true // admit ends it
	}
	if t.Op().Flags&scsi.FlagSkipUA == 0 {
		if ua := n.nextUA(); ua != 0 {
			t.ua = ua
			t.finish(ua)
			return false
		}
	}
	if t.writes && n.gate.Load()&(gateReadOnly|gateSWP) != 0 {
		t.finish(scsi.WriteProtected)
		return false
	}
	return true
}

// park leaves the command waiting until the device is unblocked. It reports true if
// the command need not wait after all.
func (t *task) park() bool {
	set := t.n.set
	set.mu.Lock()
	// Unblocking opens the gate first and then takes what is parked, under this lock.
	if t.n.gate.Load()&gateBlocked == 0 || t.aborted() {
		set.mu.Unlock()
		return true
	}
	t.Arrived = 0 // as in order
	t.status.move(StateBlockWait)
	var told []*waiter
	keep := t.waiters[:0]
	for _, w := range t.waiters {
		if w.parked {
			told = append(told, w)
		} else {
			keep = append(keep, w)
		}
	}
	t.waiters = keep
	set.mu.Unlock()
	doneAll(told)
	return false
}

// unpark lets the parked tasks go on, in the order of their arrival.
func (s *taskSet) unpark() {
	var list []*task
	s.mu.Lock()
	for e := range s.m.All {
		if t := e.Task; t.status.state() == StateBlockWait {
			t.status.move(StateExec)
			list = append(list, t)
		}
	}
	s.mu.Unlock()
	apartEach(list, (*task).admit)
}
