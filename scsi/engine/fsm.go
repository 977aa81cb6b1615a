package engine

import (
	"errors"

	"github.com/goscst/goscst/internal/taskset"
	"github.com/goscst/goscst/scsi"
)

// The way of a command, from top to bottom; doc.go has the picture. Each step either
// calls the next one or leaves the command to somebody who will.

// submit takes the command from the transport as far as it goes without waiting.
func (t *task) submit() {
	t.start = t.s.t.e.now()
	t.state.Store(uint32(StateParse))
	var n *nexus
	if num, ok := t.LUN.Number(); ok {
		n = t.s.lun(num)
	}
	if n == nil {
		t.orphan()
		return
	}
	err := t.Decode(n.d.desc.Type)
	if !t.enter(n) {
		return
	}
	if err == nil {
		err = t.parse()
	}
	if err != nil {
		t.finish(err)
		return
	}
	if t.out > 0 && (t.st.Data != nil || t.st.DataOut != nil) {
		t.requestData()
		return
	}
	t.order()
}

// enter gives the command its place in the task set. It reports false if it has
// answered it instead.
func (t *task) enter(n *nexus) bool {
	attr := t.attr(n.d)
	set := n.set
	set.mu.Lock()
	if n.gone || t.s.closing.Load() {
		set.mu.Unlock()
		t.orphan()
		return false
	}
	if n.queued >= n.d.depth {
		queued := n.queued
		set.mu.Unlock()
		t.turnAway(n, queued)
		return false
	}
	if set.m.Frozen() && !set.admitsInACA(t, n, attr) {
		status := set.statusInACA(t, n)
		set.mu.Unlock()
		t.n = nil
		t.answer(status)
		return false
	}
	n.refs.Add(1)
	n.queued++
	t.n = n
	t.st.Nexus = &n.Nexus
	set.m.Add(&t.place, attr)
	set.update()
	set.mu.Unlock()
	return true
}

// attr is how the command is ordered.
func (t *task) attr(d *Device) taskset.Attr {
	switch {
	case d.desc.Own&scsi.OwnOrdering != 0:
		return taskset.Bypass
	case t.Attr == scsi.HeadOfQueue:
		return taskset.HeadOfQueue
	case t.Attr == scsi.ACA:
		return taskset.ACA
	case t.Attr == scsi.Ordered || t.Op().Flags&scsi.FlagExclusive != 0:
		return taskset.Ordered
	case t.Op().Flags&scsi.FlagImplicitHQ != 0:
		return taskset.Bypass
	case d.control.Load().QueueAlg == 0:
		return taskset.Ordered // restricted reordering (SPC-6 7.5.10): in the order of arrival
	}
	return taskset.Simple
}

// turnAway answers a command for which there is no room: TASK SET FULL if another
// command of the nexus will end and make some, else BUSY, lest the initiator wait for
// an event that never comes (SAM-6 5.3.1).
func (t *task) turnAway(n *nexus, queued int) {
	t.n = nil
	if queued > 0 {
		t.answer(scsi.StatusTaskSetFull)
	} else {
		t.answer(scsi.StatusBusy)
	}
}

// requestData has the transport fetch the data-out.
func (t *task) requestData() {
	t.state.Store(uint32(StateDataWait))
	t.data.Store(dataRequesting)
	t.s.ep.RequestData(&t.Command)
	if t.data.CompareAndSwap(dataRequesting, dataWaiting) {
		// Nobody but DataReceived continues the command now. It may have done so
		// already; of an abort, its flag was set before it looked at data, so either
		// it or this sees both.
		if t.flags.Load()&flagAborted != 0 {
			t.stopData()
		}
		return
	}
	t.haveData()
}

// stopData tells the transport, once, not to wait for data any more.
func (t *task) stopData() {
	if t.s.abort != nil && t.data.Load() == dataWaiting && !t.stopped.Swap(true) {
		t.s.abort.Abort(&t.Command)
	}
}

// DataReceived implements task.Owner.
func (t *task) DataReceived(err error) {
	t.dataErr = err
	if t.data.Swap(dataHere) == dataWaiting {
		t.haveData()
	}
}

func (t *task) haveData() {
	if t.dataErr != nil {
		t.finish(t.dataErr)
		return
	}
	t.order()
}

// order waits for the tasks that come first.
func (t *task) order() {
	set := t.n.set
	if t.Attr == scsi.Simple && set.calm.Load() {
		t.admit()
		return
	}
	set.mu.Lock()
	if t.flags.Load()&flagAborted == 0 && !set.m.Ask(&t.place) {
		t.state.Store(uint32(StateOrderWait))
		set.update()
		set.mu.Unlock()
		return
	}
	set.update()
	set.mu.Unlock()
	t.admit()
}

// admit lets the command through to execution, or ends it here. The state is stored
// before the gate and the flags are read, and those who change them read the state
// afterwards: either the command sees the change, or it is seen executing.
func (t *task) admit() {
	t.state.Store(uint32(StateExec))
	if t.n.gate.Load() != 0 || t.s.pendingLUNs.Load() {
		if !t.check() {
			return
		}
	}
	if t.flags.Load()&flagAborted != 0 {
		t.finish(errAborted)
		return
	}
	t.dispatch()
}

// dispatch executes the command: in the engine, on this goroutine if that cannot
// block, or on a worker.
func (t *task) dispatch() {
	d := t.n.d
	if t.Op().Flags&scsi.FlagEngine != 0 || t.Op().Op == scsi.OpRequestSense {
		if err, done := t.local(); done {
			t.finish(err)
			return
		}
	}
	switch {
	case d.offline.Load():
		t.finish(scsi.LogicalUnitFailure)
	case d.desc.NonBlocking:
		t.execute(false)
	case d.try == nil || !t.execute(true):
		t.queue()
	}
}

// queue waits for a worker.
func (t *task) queue() {
	set := t.n.set
	// Under the lock, so that an abort finds the command in its lane or not yet there.
	set.mu.Lock()
	if t.flags.Load()&flagAborted != 0 {
		set.mu.Unlock()
		t.finish(errAborted)
		return
	}
	t.state.Store(uint32(StateLaneWait))
	ok := t.n.d.lane.Add(&t.item)
	set.mu.Unlock()
	if !ok {
		t.finish(scsi.LogicalUnitFailure)
	}
}

// work runs on a worker.
func (t *task) work() {
	t.state.Store(uint32(StateExec))
	if t.flags.Load()&flagAborted != 0 {
		t.finish(errAborted)
		return
	}
	t.execute(false)
}

// execute calls the handler. With try set it reports false if the command has to go to
// a worker. Otherwise the command has ended, or Pending.Done will end it.
func (t *task) execute(try bool) bool {
	t.st.Begin()
	err, panicked := t.call(try)
	if panicked {
		t.lost = t.st.Abandon()
		t.finish(err)
		return true
	}
	parked, deferred := t.st.Return()
	switch {
	case parked:
		return true
	case deferred:
		err = t.st.Err
	case try && err == scsi.ErrWouldBlock:
		return false
	}
	t.finish(err)
	return true
}

// call contains the handler's panics.
func (t *task) call(try bool) (err error, panicked bool) {
	defer func() {
		if r := recover(); r != nil {
			t.n.d.fault(r)
			err, panicked = scsi.InternalTargetFailure, true
		}
	}()
	if try {
		return t.n.d.try.TryExec(&t.Command), false
	}
	return t.n.d.h.Exec(&t.Command), false
}

// Done implements task.Owner: a deferred command has ended.
func (t *task) Done(err error) { t.finish(err) }

// finish ends a command that is in a task set: it decides the result, lets go of the
// task set, asks for the response, and runs what has waited for this command.
func (t *task) finish(err error) {
	n, set := t.n, t.n.set
	t.conclude(err)
	set.mu.Lock()
	t.overrule(t.flags.Load())
	set.m.End(&t.place)
	n.queued--
	waiters := t.waiters
	t.waiters = nil
	failed := t.Status() == scsi.StatusCheckCondition && !t.st.Silent
	if failed && t.NACA() {
		set.startACA(n)
	}
	next := set.release()
	set.update()
	set.mu.Unlock()
	if failed {
		if q := n.d.control.Load().QErr; q != 0 {
			n.qerr(q)
		}
	}
	t.respond()
	for _, w := range waiters {
		w.done()
	}
	for next != nil {
		next.admit()
		set.mu.Lock()
		next = set.again()
		set.update()
		set.mu.Unlock()
	}
}

// respond gives the command to the transport for the last time.
func (t *task) respond() {
	t.state.Store(uint32(StateRespond))
	t.s.ep.Respond(&t.Command)
}

// answer ends a command that is in no task set with a status.
func (t *task) answer(status scsi.Status) {
	t.conclude(scsi.StatusError(status))
	t.respond()
}

func unsupported(err error) bool { return err != nil && errors.Is(err, errors.ErrUnsupported) }
