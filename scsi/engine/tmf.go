package engine

import (
	"slices"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// functions is what REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS reports.
var functions = []scsi.TaskFunction{
	scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearACA, scsi.ClearTaskSet, scsi.LogicalUnitReset,
	scsi.TargetReset, scsi.QueryTask, scsi.QueryTaskSet, scsi.QueryAsyncEvent, scsi.NexusReset,
}

// maxFunctions bounds the task management functions of a session that wait at once.
const maxFunctions = 256

// Manage performs a task management function. Tasks that were submitted before it are
// affected, later ones are not. Endpoint.TaskDone reports its end, never before every
// affected task has ended: nothing that was aborted touches the medium afterwards
// (SAM-6 7.1).
func (s *Session) Manage(f *fabric.Task) {
	if s.tasksLive.Add(1) > maxFunctions || s.closing.Load() {
		s.managed(f, scsi.FunctionRejected)
		return
	}
	switch f.Function {
	case scsi.TargetReset, scsi.ColdReset:
		s.reset(f, s.mapped())
		return
	case scsi.NexusReset:
		s.resetNexus(f)
		return
	}
	num, ok := f.LUN.Number()
	var n *nexus
	if ok {
		n = s.lun(num)
	}
	if n == nil {
		s.managed(f, scsi.IncorrectLUN)
		return
	}
	switch f.Function {
	case scsi.AbortTask:
		n.abortTask(f)
	case scsi.AbortTaskSet:
		n.abortTaskSet(f, func(t *task) bool { return t.n == n })
	case scsi.ClearTaskSet:
		n.abortTaskSet(f, func(t *task) bool { return true })
	case scsi.LogicalUnitReset:
		s.reset(f, []*nexus{n})
	case scsi.ClearACA:
		n.clearACA(f)
	case scsi.QueryTask:
		n.queryTask(f)
	case scsi.QueryTaskSet:
		n.queryTaskSet(f)
	case scsi.QueryAsyncEvent:
		n.queryAsyncEvent(f)
	default:
		s.managed(f, scsi.FunctionUnsupported)
	}
}

// managed reports the end of a function.
func (s *Session) managed(f *fabric.Task, r scsi.TaskResponse) {
	f.Response = r
	fn := f.Function
	s.t.e.log.Debug("task management", zap.String(keyInitiator, s.in.Name), zap.Stringer(keyFunction, fn), zap.Stringer(keyLUN, f.LUN), zap.Stringer(keyResponse, r))
	if ev := s.t.e.events.TaskManagement; ev != nil {
		ev(s.Info(), fn, r)
	}
	s.ep.TaskDone(f)
	s.tasksLive.Add(-1)
	s.mu.Lock()
	s.checkIdle()
	s.mu.Unlock()
}

// abort marks the tasks that victim chooses as aborted by the nexus by, and has w, if
// there is one, wait for them. Those that do not run yet end at once; those that run
// are cancelled; those that wait for data-out are told to stop. Nexuses that lose
// tasks without seeing TASK ABORTED get a unit attention. It returns how many tasks
// were chosen.
func (s *taskSet) abort(victim func(*task) bool, by *nexus, w *waiter) (chosen int) {
	var stop, end []*task
	var losers map[*nexus]bool
	s.mu.Lock()
	for e := range s.m.All {
		t := e.Task
		if !victim(t) {
			continue
		}
		chosen++
		flags := uint32(flagAborted)
		if t.n.s != by.s && t.flags.Load()&flagAborted == 0 {
			flags |= flagOther
			if t.n.d.control.Load().TAS {
				flags |= flagTAS
			} else {
				if losers == nil {
					losers = make(map[*nexus]bool)
				}
				losers[t.n] = true
			}
		}
		t.flags.Or(flags)
		if w != nil {
			w.left.Add(1)
			t.waiters = append(t.waiters, w)
		}
		switch State(t.state.Load()) {
		case StateDataWait:
			stop = append(stop, t)
		case StateOrderWait:
			if s.m.Unblock(e) {
				t.state.Store(uint32(StateExec))
				end = append(end, t)
			}
		case StateBlockWait:
			if s.unpark(t) {
				t.state.Store(uint32(StateExec))
				end = append(end, t)
			}
		case StateLaneWait:
			if t.n.d.lane.Remove(&t.item) {
				t.state.Store(uint32(StateExec))
				end = append(end, t)
			}
		case StateExec:
			t.st.Cancel(errAborted)
		}
	}
	s.update()
	s.mu.Unlock()
	for n := range losers {
		n.addUA(scsi.CommandsCleared)
	}
	for _, t := range end {
		t.finish(errAborted)
	}
	for _, t := range stop {
		t.stopData()
	}
	return chosen
}

func (n *nexus) abortTask(f *fabric.Task) {
	n.observe(f.Function, f.Tag)
	w := newWaiter(false, func() { n.done(f, scsi.FunctionComplete) })
	found := n.set.abort(func(t *task) bool { return t.n == n && t.Tag == f.Tag }, n, w)
	if found == 0 {
		w.then = func() { n.done(f, scsi.TaskNotFound) }
	}
	w.done()
}

func (n *nexus) abortTaskSet(f *fabric.Task, victim func(*task) bool) {
	n.observe(f.Function, 0)
	w := newWaiter(false, func() { n.done(f, scsi.FunctionComplete) })
	n.set.abort(victim, n, w)
	w.done()
}

// reset is LOGICAL UNIT RESET for each of the logical units (SAM-6 6.3.3): all tasks of
// all nexuses end, then the handler resets, and every nexus is told. New commands wait
// meanwhile.
func (s *Session) reset(f *fabric.Task, list []*nexus) {
	ua := scsi.DeviceReset
	if f.Function != scsi.LogicalUnitReset {
		ua = scsi.PowerOnOccurred // a hard reset: POWER ON, RESET, OR BUS DEVICE RESET OCCURRED
	}
	w := newWaiter(false, func() {
		s.t.e.spawn(func() {
			for _, n := range list {
				n.set.clearFault()
				if n.d.resetter != nil {
					n.d.resetter.Reset()
				}
				n.d.raise(ua, nil)
				n.d.unblock()
				n.observed(f.Function)
			}
			s.managed(f, scsi.FunctionComplete)
		})
	})
	for _, n := range list {
		n.observe(f.Function, 0)
		n.d.block()
		n.d.eachSet(func(set *taskSet) {
			set.abort(func(t *task) bool { return t.n.d == n.d }, n, w)
		})
	}
	w.done()
}

// resetNexus is I_T NEXUS RESET (SAM-6 7.6): every task of the session ends, and its
// next command hears of it.
func (s *Session) resetNexus(f *fabric.Task) {
	list := s.nexusList()
	w := newWaiter(false, func() {
		for _, n := range list {
			n.addUA(scsi.NexusLoss)
			n.observed(f.Function)
		}
		s.managed(f, scsi.FunctionComplete)
	})
	for _, n := range list {
		n.observe(f.Function, 0)
		n.set.abort(func(t *task) bool { return t.n == n }, n, w)
	}
	w.done()
}

// abortAll aborts every task of a session that ends.
func (s *Session) abortAll(fn scsi.TaskFunction) {
	for _, n := range s.nexusList() {
		n.observe(fn, 0)
		n.set.abort(func(t *task) bool { return t.n == n }, n, nil)
		n.set.mu.Lock()
		mine := n.set.faulted == n
		n.set.mu.Unlock()
		if mine {
			n.set.clearFault()
		}
		n.observed(fn)
	}
}

func (n *nexus) clearACA(f *fabric.Task) {
	n.set.mu.Lock()
	if n.set.faulted != nil && n.set.faulted != n {
		n.set.mu.Unlock()
		n.done(f, scsi.FunctionRejected)
		return
	}
	n.set.endACA()
	n.set.update()
	n.set.mu.Unlock()
	// An ACA task that is left ends with the condition (SAM-6 5.9.4).
	w := newWaiter(false, func() {
		n.set.run()
		n.done(f, scsi.FunctionComplete)
	})
	n.set.abort(func(t *task) bool { return t.n == n && t.Attr == scsi.ACA }, n, w)
	w.done()
}

// clearFault ends an ACA condition, whoever has it.
func (s *taskSet) clearFault() {
	s.mu.Lock()
	s.endACA()
	s.update()
	s.mu.Unlock()
	s.run()
}

func (n *nexus) queryTask(f *fabric.Task) {
	r := scsi.FunctionComplete
	n.set.mu.Lock()
	for e := range n.set.m.All {
		if t := e.Task; t.n == n && t.Tag == f.Tag {
			r = scsi.FunctionSucceeded
			break
		}
	}
	n.set.mu.Unlock()
	n.s.managed(f, r)
}

func (n *nexus) queryTaskSet(f *fabric.Task) {
	r := scsi.FunctionComplete
	n.set.mu.Lock()
	if n.queued > 0 {
		r = scsi.FunctionSucceeded
	}
	n.set.mu.Unlock()
	n.s.managed(f, r)
}

// queryAsyncEvent tells whether a unit attention is pending, and which (SAM-6 7.10).
func (n *nexus) queryAsyncEvent(f *fabric.Task) {
	ua := n.peekUA()
	if ua == 0 {
		n.s.managed(f, scsi.FunctionComplete)
		return
	}
	n.uamu.Lock()
	more := n.ua.Len() > 1
	n.uamu.Unlock()
	depth := byte(1) // one unit attention or more
	if more {
		depth = 2 // more than one
	}
	f.Additional = [3]byte{depth<<4 | byte(ua.Key()), ua.ASC(), ua.ASCQ()}
	n.s.managed(f, scsi.FunctionSucceeded)
}

// done ends a function for one logical unit.
func (n *nexus) done(f *fabric.Task, r scsi.TaskResponse) {
	n.observed(f.Function)
	n.s.managed(f, r)
}

func (n *nexus) observe(fn scsi.TaskFunction, tag uint64) {
	if n.d.observer != nil {
		n.d.observer.TaskReceived(&n.Nexus, fn, tag)
	}
}

func (n *nexus) observed(fn scsi.TaskFunction) {
	if n.d.observer != nil {
		n.d.observer.TaskDone(&n.Nexus, fn)
	}
}

// mapped are the session's nexuses that commands can reach.
func (s *Session) mapped() []*nexus {
	var list []*nexus
	s.luns.Load().each(func(_ uint16, n *nexus) { list = append(list, n) })
	return list
}

// nexusList is mapped with those whose last commands have not ended.
func (s *Session) nexusList() []*nexus {
	s.lunmu.Lock()
	defer s.lunmu.Unlock()
	return slices.Clone(s.nexuses)
}
