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
	if t.start = t.Arrived; t.start == 0 {
		t.start = t.s.t.e.now()
	}
	t.status.start()
	err := errReplaced
	for last := (*nexus)(nil); err == errReplaced; {
		n := t.s.at(t.LUN)
		if n == nil || n == last {
			t.orphan()
			return
		}
		last = n
		bad := t.Decode(n.d.desc.Type)
		if err = t.enter(n); err == nil {
			err = bad
		}
	}
	switch {
	case t.n == nil:
		t.answer(err)
		return
	case err == nil:
		err = t.parse()
	}
	switch {
	case err != nil:
		t.finish(err)
	case t.fetch:
		t.requestData()
	default:
		t.order()
	}
}

// errReplaced says that the nexus takes no commands any more: the logical unit number is
// another's now, or nobody's.
var errReplaced = errors.New("engine: unmapped")

// enter gives the command its place in the task set: t.n is set then, and an error ends
// it there. Otherwise an error says how to answer it.
func (t *task) enter(n *nexus) error {
	attr := t.attr(n.d)
	set := n.set
	var err error
	set.mu.Lock()
	frozen := set.m.Frozen()
	switch {
	case n.gone || t.s.closing.Load():
		err = errReplaced
	case n.queued() >= int64(n.d.depth.Load()):
		err = scsi.ErrTaskSetFull // another command of the nexus will end and make room (SAM-5 5.3.1)
	case frozen && !set.admitsInACA(t, n):
		err = set.statusInACA(t, n)
	default:
		n.entered++
		t.n = n
		set.m.Add(&t.place, attr)
		if attr == taskset.Ordered || attr == taskset.HeadOfQueue {
			set.update()
		}
	}
	set.mu.Unlock()
	if err != nil {
		return err
	}
	t.st.Nexus = &n.Nexus
	if t.Attr == scsi.ACA && !frozen {
		return scsi.InvalidMessage // there is no ACA condition (SAM-5 8.6.5)
	}
	return nil
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
		return taskset.Ordered // restricted reordering (SPC-4 7.5.8): in the order of arrival
	}
	return taskset.Simple
}

// requestData has the transport fetch the data-out.
func (t *task) requestData() {
	t.status.move(StateDataWait)
	t.data.Store(dataRequesting)
	if t.aborted() {
		t.finish(errAborted)
		return
	}
	defer t.requested()
	t.s.ep.RequestData(&t.Command)
}

// requested follows Endpoint.RequestData.
func (t *task) requested() {
	switch {
	case t.data.CompareAndSwap(dataRequesting, dataWaiting):
	case t.data.CompareAndSwap(dataRevoked, dataStopping):
		t.stopData()
	default:
		t.haveData()
	}
}

// revoke reports whether the caller, who has aborted the command, is to call stopData. It
// is called under the set's lock, so that the command is still the one that was aborted.
func (t *task) revoke() bool {
	if t.s.abort == nil || t.data.CompareAndSwap(dataRequesting, dataRevoked) {
		return false
	}
	return t.data.CompareAndSwap(dataWaiting, dataStopping)
}

// stopData tells the transport not to wait for data any more.
func (t *task) stopData() {
	defer func() {
		if !t.data.CompareAndSwap(dataStopping, dataStopped) {
			t.haveData()
		}
	}()
	t.s.abort.Abort(&t.Command)
}

// DataReceived implements task.Owner.
func (t *task) DataReceived(err error) {
	t.dataErr = err
	switch t.data.Swap(dataHere) {
	case dataWaiting, dataStopped:
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
	if !t.aborted() && !set.m.Ask(&t.place) {
		t.Arrived = 0 // what is known of that moment may have changed when it goes on
		t.status.move(StateOrderWait)
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
	t.status.move(StateExec)
	if t.n.gate.Load() != 0 || t.s.pendingLUNs.Load() {
		if !t.check() {
			return
		}
	}
	if t.aborted() {
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
	if t.aborted() {
		set.mu.Unlock()
		t.finish(errAborted)
		return
	}
	t.status.move(StateLaneWait)
	t.item.Flow = &t.n.flow
	ok := t.n.d.lane.Add(&t.item, t.Attr == scsi.HeadOfQueue)
	set.mu.Unlock()
	if !ok {
		t.finish(scsi.LogicalUnitFailure)
	}
}

// work runs on a worker.
func (t *task) work() {
	t.status.move(StateExec)
	switch {
	case t.aborted():
		t.finish(errAborted)
	case t.n.d.offline.Load():
		t.finish(scsi.LogicalUnitFailure)
	default:
		t.execute(false)
	}
}

// execute calls the handler. With try set it reports false if the command has to go to
// a worker. Otherwise the command has ended, or Pending.Done will end it.
func (t *task) execute(try bool) bool {
	t.st.Begin()
	err, returned := t.call(try)
	if !returned {
		return true
	}
	parked, deferred := t.st.Return()
	switch {
	case parked:
		return true
	case deferred:
		err = t.st.Err
	case try && err == scsi.ErrWouldBlock:
		if err = t.undo(); err == nil {
			return false
		}
	}
	t.finish(err)
	return true
}

// undo makes the command what it was before TryExec, which may have lent memory: Exec would
// take that for the buffer that it may fill.
func (t *task) undo() (err error) {
	if !t.takeBack() || t.late() {
		return nil
	}
	returned := false
	defer func() {
		if !returned { // a handler's Buffer has ended the goroutine
			t.finish(scsi.InternalTargetFailure)
		}
	}()
	err = t.NeedData()
	returned = true
	return err
}

// call contains the handler's panics. When it reports that the handler has not returned, the
// command has ended.
func (t *task) call(try bool) (err error, returned bool) {
	defer func() {
		if !returned { // recover is not for free
			t.n.d.fault(recover())
			t.lost = t.st.Abandon()
			t.finish(scsi.InternalTargetFailure)
		}
	}()
	if try {
		err = t.n.d.try.TryExec(&t.Command)
	} else {
		err = t.n.d.h.Exec(&t.Command)
	}
	return err, true
}

// Done implements task.Owner: a deferred command has ended.
func (t *task) Done(err error) { t.finish(err) }

// finish ends a command that is in a task set: it decides the result, asks for the
// response, and lets go of the task set. The task leaves the set after the response was
// asked for, so that a function that waits for it cannot be answered before; its place in
// the queue is free before, because the initiator may send the next command at once.
func (t *task) finish(err error) {
	n := t.n
	t.conclude(err)
	t.overrule(t.status.end())
	if t.Status() == scsi.StatusCheckCondition && !t.st.Silent {
		n.failed(t)
	}
	n.decided.Add(1)
	defer t.part(n.set)
	t.s.ep.Respond(&t.Command)
}

// part follows Endpoint.Respond.
func (t *task) part(set *taskSet) {
	var next *task
	set.mu.Lock()
	waiters := t.waiters
	t.waiters = nil
	if t.lingers = t.sendsMapped(); !t.lingers {
		next = set.end(t)
	}
	set.mu.Unlock()
	if waiters == nil && next == nil {
		t.settle()
		return
	}
	defer set.drain(next)
	defer doneAll(waiters)
	t.settle()
}

// answer ends a command that is in no task set.
func (t *task) answer(err error) {
	t.conclude(err)
	t.status.move(StateRespond)
	defer t.settle()
	t.s.ep.Respond(&t.Command)
}

func unsupported(err error) bool { return err != nil && errors.Is(err, errors.ErrUnsupported) }
