package scsitest

import (
	"errors"

	"github.com/goscst/goscst/internal/task"
	"github.com/goscst/goscst/scsi"
)

// Result is what an initiator would see of a command.
type Result struct {
	Status scsi.Status
	Sense  *scsi.SenseError // of CHECK CONDITION
	Data   []byte           // data-in; nil if none
	Err    error            // what the handler returned
}

// Code is the sense code, NoSense if there is none.
func (r Result) Code() scsi.Sense {
	if r.Sense == nil {
		return scsi.NoSense
	}
	return r.Sense.Sense
}

// ResultOf is what an initiator would see of a command without data-in that ends with
// err.
func ResultOf(err error) Result {
	res := Result{Status: statusOf(err), Err: err}
	if res.Status == scsi.StatusCheckCondition {
		res.Sense = senseOf(err)
	}
	return res
}

// Task is a command of a Recorder. Its methods are for one goroutine, Abort aside.
type Task struct {
	Command *scsi.Command

	r       *Recorder
	st      *task.State
	refused error      // what an engine would have refused
	late    bool       // Data comes when the handler asks for it
	done    chan error // capacity 1: the end of a deferred execution
	err     error
	started chan struct{} // closed at the end of Start's goroutine
}

// Prepare makes a command that Run runs, any number of times; Release ends its use.
func (r *Recorder) Prepare(cdb, out []byte) *Task {
	c := new(scsi.Command)
	t := &Task{Command: c, r: r, st: task.Of(c), done: make(chan error, 1)}
	t.st.Owner, t.st.Nexus = (*owner)(t), r.Nexus
	t.st.Prepare()
	c.SetCDB(cdb)
	t.refused = t.setUp(out)
	return t
}

// Run executes the command and waits for its end. It allocates nothing that the handler
// does not allocate.
func (t *Task) Run() scsi.Status {
	t.st.DataIn = -1
	if t.err = t.refused; t.err != nil {
		return statusOf(t.err)
	}
	if t.err = t.undo(); t.err != nil {
		return statusOf(t.err)
	}
	t.st.Begin()
	err := scsi.ErrWouldBlock
	if t.r.try != nil {
		err = t.r.try.TryExec(t.Command)
	}
	if err == scsi.ErrWouldBlock {
		if err = t.undo(); err == nil {
			err = t.r.Handler.Exec(t.Command)
		}
	}
	switch parked, deferred := t.st.Return(); {
	case parked:
		err = <-t.done
	case deferred:
		err = t.st.Err
	}
	if err == nil && t.st.Room > 0 && t.st.Data == nil && t.st.DataIn != 0 {
		err = errNothing
	}
	t.err = err
	return statusOf(err)
}

// undo ends what has been lent, by TryExec or by the run before.
func (t *Task) undo() error {
	if t.st.TakeBack() && !t.late {
		return t.poison(t.st.Room)
	}
	return nil
}

// Abort cancels the command's context.
func (t *Task) Abort() { t.st.Cancel(scsi.ErrTaskAborted) }

// Wait waits for the end of a command that Start started, and releases it.
func (t *Task) Wait() Result {
	<-t.started
	defer t.Release()
	return t.Result()
}

// Ended reports whether a command that Start started has ended.
func (t *Task) Ended() bool {
	select {
	case <-t.started:
		return true
	default:
		return false
	}
}

// Result is the outcome of the last Run.
func (t *Task) Result() Result {
	res := ResultOf(t.err)
	if t.err != nil {
		return res
	}
	n := t.st.DataIn
	if n < 0 {
		n = 0
		if op := t.Command.Op(); t.st.Data != nil && op.Dir == scsi.DirIn && blockRule(op.Rule) {
			n = t.st.Data.Len()
		}
	}
	if n > 0 && t.Command.Op().Dir != scsi.DirOut {
		res.Data = make([]byte, n)
		if _, err := t.st.Data.ReadAt(res.Data, 0); err != nil {
			res.Err = err
		}
	}
	return res
}

// Release gives the data buffer back.
func (t *Task) Release() {
	t.st.Put(nil, task.Own)
}

// setUp does what an engine does before a handler sees the command.
func (t *Task) setUp(out []byte) error {
	c, d := t.Command, &t.r.Description
	c.ExpectedSet = true
	c.ExpectedOut = uint32(len(out))
	c.ExpectedIn = 0
	if err := c.Decode(d.Type); err != nil {
		return err
	}
	in, want := c.DataLen(d.BlockSize)
	op := c.Op()
	writes := op.Flags&scsi.FlagWrites != 0
	if op == scsi.Unknown {
		p, ok := t.r.Handler.(scsi.Parser)
		if !ok || d.Parse == scsi.ParseStandard {
			return scsi.InvalidOpcode
		}
		var parsed scsi.Parsed
		if err := p.Parse(c, &parsed); err != nil {
			return err
		}
		in, want, writes = parsed.In, parsed.Out, parsed.Writes
	}
	if op.Rule == scsi.RuleBytes {
		in = min(in, maxParams)
	} else if in > d.MaxTransfer {
		return scsi.InvalidFieldInCDB
	}
	if want > d.MaxTransfer {
		return scsi.InvalidFieldInCDB
	}
	if writes && t.r.Nexus.ReadOnly {
		return scsi.WriteProtected
	}
	if writes && t.r.Host.Control().SWP {
		return scsi.SoftwareWriteProtected
	}
	if have := int64(len(out)); have < want {
		if wholeBlocks(op.Rule) && d.BlockSize != 0 && have%int64(d.BlockSize) != 0 {
			return scsi.InvalidCommandIUField
		}
		want = have
	}
	c.ExpectedIn = uint32(in)
	switch {
	case want > 0:
		return t.fill(out[:want])
	case in > 0 && d.LateData && blockRule(op.Rule):
		t.st.Room, t.late = int(in), true
	case in > 0:
		return t.poison(int(in))
	}
	return nil
}

func (t *Task) fill(out []byte) error {
	b, err := t.r.pool.Get(len(out), nil)
	if err != nil {
		return err
	}
	t.st.Data = b
	_, err = b.WriteAt(out, 0)
	return err
}

// Poison is what a data-in buffer is full of before the handler writes to it.
const Poison = 0xDB

func (t *Task) poison(n int) error {
	b, err := t.r.pool.Get(n, nil)
	if err != nil {
		return err
	}
	t.st.Put(b, task.Own)
	for _, s := range b.Segs() {
		for i := range s {
			s[i] = Poison
		}
	}
	return nil
}

var errNothing = errors.New("scsitest: a command with data-in has ended well without Lend and NeedData")

// owner is the engine's side of a Task.
type owner Task

func (o *owner) Done(err error)     { o.done <- err }
func (o *owner) DataReceived(error) {}
func (o *owner) ResponseSent(error) {}
func (o *owner) Reclaim()           {}

// NeedData makes the buffer that was put off, or that takes the place of what was lent.
func (o *owner) NeedData() error {
	o.st.TakeBack()
	return (*Task)(o).poison(o.st.Room)
}

func (o *owner) Lend(segs [][]byte, release func(), l task.Loan) error {
	b, err := o.r.pool.Wrap(segs, release)
	if err != nil {
		return err
	}
	o.st.Put(b, l)
	return nil
}

func blockRule(r scsi.Rule) bool { return r == scsi.RuleBlocks || r == scsi.RuleBlocks6 }

// wholeBlocks reports whether data of a command is in logical blocks.
func wholeBlocks(r scsi.Rule) bool {
	return blockRule(r) || r == scsi.RuleVerify || r == scsi.RuleOneBlock || r == scsi.RuleCompare
}

func statusOf(err error) scsi.Status {
	if err == nil {
		return scsi.StatusGood
	}
	var status scsi.StatusError
	if errors.As(err, &status) {
		return status.Status()
	}
	return scsi.StatusCheckCondition
}

// senseOf returns the sense data that an initiator would see of err: it is encoded and
// decoded again.
func senseOf(err error) *scsi.SenseError {
	e := &scsi.SenseError{Sense: scsi.InternalTargetFailure}
	var rich *scsi.SenseError
	var code scsi.Sense
	switch {
	case errors.As(err, &rich):
		e = rich
	case errors.As(err, &code):
		e.Sense = code
	}
	seen, perr := scsi.ParseSense(scsi.AppendSense(nil, e, true))
	if perr != nil {
		return &scsi.SenseError{Sense: scsi.InternalTargetFailure, Cause: perr}
	}
	return &seen
}
