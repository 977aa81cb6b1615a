package engine

import "github.com/goscst/goscst/scsi"

// check is the slow path of admission, taken when one of the gates is shut: a blocked
// device, a unit attention to tell, write protection. It reports false if the
// command has been parked or answered.
func (t *task) check() bool {
	n := t.n
	if n.gate.Load()&gateBlocked != 0 && !t.park() {
		return false
	}
	if t.flags.Load()&flagAborted != 0 {
		return true // admit ends it
	}
	flags := t.Op().Flags
	if flags&scsi.FlagSkipUA == 0 {
		if ua := n.nextUA(); ua != 0 {
			t.ua = ua
			t.finish(ua)
			return false
		}
	}
	if flags&scsi.FlagWrites != 0 && n.gate.Load()&(gateReadOnly|gateSWP) != 0 {
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
	if t.n.gate.Load()&gateBlocked == 0 || t.flags.Load()&flagAborted != 0 {
		set.mu.Unlock()
		return true
	}
	t.state.Store(uint32(StateBlockWait))
	set.parked = append(set.parked, t)
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
	for _, w := range told {
		w.done()
	}
	return false
}

// unpark takes t out of the parked tasks; mu is held.
func (s *taskSet) unpark(t *task) bool {
	for i, p := range s.parked {
		if p == t {
			s.parked = append(s.parked[:i], s.parked[i+1:]...)
			return true
		}
	}
	return false
}
