package engine

import (
	"context"
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
// affected, later ones are not. Endpoint.TaskDone reports its end, possibly before Manage
// returns, and never before every affected task has ended and its response, if it has one,
// was given to Endpoint.Respond: nothing that was aborted touches the medium afterwards
// (SAM-5 7.1).
func (s *Session) Manage(f *fabric.Task) {
	if s.tasksLive.Add(1) > maxFunctions || s.closing.Load() {
		s.managed(f, scsi.FunctionRejected)
		return
	}
	all := func(*nexus) bool { return true }
	switch f.Function {
	case scsi.TargetReset, scsi.ColdReset:
		s.hold(f, f.Function, all).reset(scsi.PowerOnOccurred, func(n *nexus) bool { return n.s == s })
		return
	case scsi.NexusReset:
		s.hold(f, f.Function, all).resetNexus()
		return
	}
	num, ok := f.LUN.Number()
	if !ok {
		s.managed(f, scsi.IncorrectLUN)
		return
	}
	fn := s.hold(f, f.Function, func(n *nexus) bool { return n.LUN == num })
	unit := fn.unit() // asked once: it may be unmapped at any moment
	switch {
	case len(fn.held) == 0:
		fn.end(scsi.IncorrectLUN)
	case f.Function == scsi.AbortTask:
		fn.abort(func(t *task) bool { return t.Tag == f.Tag })
	case f.Function == scsi.AbortTaskSet:
		fn.abort(everyTask)
	case f.Function == scsi.QueryTask:
		fn.query(func(t *task) bool { return t.Tag == f.Tag })
	case f.Function == scsi.QueryTaskSet:
		fn.query(everyTask)
	case unit == nil:
		fn.end(scsi.IncorrectLUN)
	case f.Function == scsi.ClearTaskSet:
		fn.clear(unit)
	case f.Function == scsi.LogicalUnitReset:
		fn.reset(scsi.DeviceReset, fn.holds)
	case f.Function == scsi.ClearACA:
		fn.clearACA(unit)
	case f.Function == scsi.QueryAsyncEvent:
		fn.queryAsyncEvent(unit)
	default:
		fn.end(scsi.FunctionUnsupported)
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
	defer func() {
		s.tasksLive.Add(-1)
		s.mu.Lock()
		s.checkIdle()
		s.mu.Unlock()
	}()
	s.ep.TaskDone(f)
}

// function is a task management function in progress, or the end of a session, which does
// the same. It holds the nexuses that it is about, so that their handlers are not told of
// their end before its own. Among them are those which were at a logical unit number
// before and still have tasks: for the initiator these are the same tasks.
type function struct {
	s    *Session
	f    *fabric.Task // nil for the end of a session
	fn   scsi.TaskFunction
	held []*nexus
	told bool // the handlers know of it
}

func (s *Session) hold(f *fabric.Task, fn scsi.TaskFunction, of func(*nexus) bool) *function {
	x := &function{s: s, f: f, fn: fn}
	s.lunmu.Lock()
	for n := range s.nexuses.all {
		if of(n) && n.ref() {
			x.held = append(x.held, n)
		}
	}
	s.lunmu.Unlock()
	return x
}

// unit is the nexus that commands reach; nil if there is none any more.
func (x *function) unit() *nexus {
	for _, n := range x.held {
		if x.s.lun(n.LUN) == n {
			return n
		}
	}
	return nil
}

func (x *function) holds(n *nexus) bool { return slices.Contains(x.held, n) }

// tell announces the function to the handlers.
func (x *function) tell() {
	x.told = true
	var tag uint64
	if x.fn == scsi.AbortTask {
		tag = x.f.Tag
	}
	for _, n := range x.held {
		n.d.observe(func(o scsi.TaskObserver) { o.TaskReceived(&n.Nexus, x.fn, tag) })
	}
}

// end answers the function.
func (x *function) end(r scsi.TaskResponse) {
	if x.told {
		for _, n := range x.held {
			n.d.observe(func(o scsi.TaskObserver) { o.TaskDone(&n.Nexus, x.fn) })
		}
	}
	for _, n := range x.held {
		n.unref()
	}
	if x.f != nil {
		x.s.managed(x.f, r)
	}
}

// abort is ABORT TASK and ABORT TASK SET (SAM-5 7.2, 7.3).
func (x *function) abort(victim func(*task) bool) {
	x.tell()
	r := scsi.TaskNotFound
	w := newWaiter(false, func() { x.end(r) })
	found := 0
	for _, n := range x.held {
		found += n.set.abort(func(t *task) bool { return t.n == n && victim(t) }, n.is, w)
	}
	if found > 0 || x.fn != scsi.AbortTask {
		r = scsi.FunctionComplete
	}
	w.done()
}

// clear is CLEAR TASK SET (SAM-5 7.5).
func (x *function) clear(unit *nexus) {
	x.tell()
	w := newWaiter(false, func() { x.end(scsi.FunctionComplete) })
	for _, n := range x.held {
		victim := n.owns
		if n == unit {
			victim = everyTask
		}
		n.set.abort(victim, x.holds, w)
	}
	w.done()
}

// reset is LOGICAL UNIT RESET of each unit that commands reach (SAM-5 6.3.3): all tasks of
// all nexuses end, then the handler resets, and every nexus is told. New commands wait
// meanwhile. Tasks of the nexuses that own chooses end without a word.
func (x *function) reset(ua scsi.Sense, own func(*nexus) bool) {
	x.tell()
	var units []*Device
	for _, n := range x.held {
		if x.s.lun(n.LUN) == n && !slices.Contains(units, n.d) {
			units = append(units, n.d)
		}
	}
	w := newWaiter(false, func() {
		x.s.t.e.spawn(func() {
			for _, d := range units {
				d.reset(ua)
			}
			x.end(scsi.FunctionComplete)
		})
	})
	for _, d := range units {
		d.block()
		d.eachSet(func(set *taskSet) { set.abort(everyTask, own, w) })
	}
	for _, n := range x.held {
		if !slices.Contains(units, n.d) {
			n.set.abort(n.owns, n.is, w)
		}
	}
	w.done()
}

// reset is what remains of a reset when all tasks have ended and the device is blocked.
func (d *Device) reset(ua scsi.Sense) {
	d.eachSet(func(set *taskSet) { set.endACA(nil) })
	if d.resetter != nil {
		d.guard(d.resetter.Reset)
	}
	d.raise(ua, nil)
	d.unblock()
}

// resetNexus is I_T NEXUS RESET (SAM-5 7.6), and what the end of a session does: every
// task of the session ends, and so do its ACA conditions (SAM-5 6.3.4). A session that
// goes on hears of it.
func (x *function) resetNexus() {
	x.tell()
	w := newWaiter(false, func() {
		for _, n := range x.held {
			n.set.endACA(n)
			if x.f != nil {
				n.addUA(scsi.NexusLoss)
			}
		}
		x.end(scsi.FunctionComplete)
	})
	for _, n := range x.held {
		n.set.abort(n.owns, n.is, w)
	}
	w.done()
}

// clearACA is CLEAR ACA (SAM-5 7.4). An ACA task that is left ends with the condition.
func (x *function) clearACA(n *nexus) {
	n.set.mu.Lock()
	others := n.set.faulted != nil && n.set.faulted != n
	n.set.mu.Unlock()
	x.tell()
	if others {
		x.end(scsi.FunctionRejected)
		return
	}
	w := newWaiter(false, func() {
		n.set.endACA(n)
		x.end(scsi.FunctionComplete)
	})
	n.set.abort(func(t *task) bool { return t.n == n && t.Attr == scsi.ACA }, n.is, w)
	w.done()
}

// query is QUERY TASK and QUERY TASK SET (SAM-5 7.8, 7.9).
func (x *function) query(asked func(*task) bool) {
	r := scsi.FunctionComplete
	for _, n := range x.held {
		n.set.mu.Lock()
		for e := range n.set.m.All {
			if t := e.Task; t.n == n && !t.status.has(flagEnded) && asked(t) {
				r = scsi.FunctionSucceeded
				break
			}
		}
		n.set.mu.Unlock()
	}
	x.end(r)
}

// queryAsyncEvent tells whether a unit attention is pending, which, and whether it is the
// only one (SAM-5 7.10).
func (x *function) queryAsyncEvent(n *nexus) {
	ua, count := n.peekUA()
	if count == 0 {
		x.end(scsi.FunctionComplete)
		return
	}
	depth := byte(min(count, 2)) // one, or more than one
	x.f.Additional = [3]byte{depth<<4 | byte(ua.Key()), ua.ASC(), ua.ASCQ()}
	x.end(scsi.FunctionSucceeded)
}

// abort marks the tasks that victim chooses as aborted, and has w, if there is one, wait
// for them. Those that do not run yet end at once; those that run are cancelled; those
// that wait for data-out are told to stop. Tasks of the nexuses that own chooses end
// without a word; the others see TASK ABORTED, or their nexuses get a unit attention
// (SAM-5 5.6). It returns how many tasks were chosen; w waits besides for those whose
// result was decided already, until their response has been asked for.
func (s *taskSet) abort(victim func(*task) bool, own func(*nexus) bool, w *waiter) (chosen int) {
	var stop, end []*task
	var losers map[*nexus]bool
	s.mu.Lock()
	for e := range s.m.All {
		t := e.Task
		if !victim(t) {
			continue
		}
		if w != nil && !t.lingers {
			w.left.Add(1)
			t.waiters = append(t.waiters, w)
		}
		flags, told := uint32(flagAborted), true
		if !t.aborted() && !own(t.n) {
			flags |= flagOther
			if t.n.d.control.Load().TAS {
				flags |= flagTAS
			} else {
				told = false
			}
		}
		at, marked := t.status.mark(flags)
		if !marked {
			continue
		}
		chosen++
		if !told {
			if losers == nil {
				losers = make(map[*nexus]bool)
			}
			losers[t.n] = true
		}
		switch at {
		case StateDataWait:
			if t.revoke() {
				stop = append(stop, t)
			}
		case StateOrderWait:
			if s.m.Unblock(e) {
				t.status.move(StateExec)
				end = append(end, t)
			}
		case StateBlockWait:
			t.status.move(StateExec)
			end = append(end, t)
		case StateLaneWait:
			if t.n.d.lane.Remove(&t.item) {
				t.status.move(StateExec)
				end = append(end, t)
			}
		case StateExec:
			t.st.Cancel(context.Canceled)
		}
	}
	s.update()
	s.mu.Unlock()
	for n := range losers {
		n.addUA(scsi.CommandsCleared)
	}
	apartEach(end, func(t *task) { t.finish(errAborted) })
	apartEach(stop, (*task).stopData)
	return chosen
}

func everyTask(*task) bool { return true }
