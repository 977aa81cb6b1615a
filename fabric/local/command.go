package local

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Command is a command for Start and Run. The zero value with a CDB is ready for use,
// and a command that has ended may be used again. It must not be copied after its first
// use.
type Command struct {
	LUN  uint16
	CDB  []byte
	Out  []byte // data-out; read until the command has ended
	In   []byte // room for data-in; written until the command has ended
	Attr scsi.TaskAttr

	// Value is the caller's own.
	Value any

	// Tag is the task tag, which Start and Run choose: what ABORT TASK asks for.
	Tag uint64

	// Result and Err are set when the command has ended; Result.Sense is valid until the
	// command is used again.
	Result
	Err error

	i     *Initiator
	done  func(*Command) // nil: a goroutine waits on ended
	phase atomic.Uint32
	live  bool // counted by enter
	ended chan struct{}
	lent  *sgv.Buf // wraps In or Out
	lend  [1][]byte
	next  *Command // in the initiator's free list
	sense [252]byte
}

// Result is how a command ended, beside its error.
type Result struct {
	// Status is the SCSI status, TASK ABORTED if none was sent.
	Status scsi.Status
	// N is how many bytes of In are the answer.
	N int
	// Residual is the difference between the announced and the transferred length:
	// positive for underflow, negative for overflow; of a command with both Out and In
	// that of In, and ResidualOut is that of Out.
	Residual, ResidualOut int64
	// Sense is the sense data as it was sent; nil if there is none.
	Sense []byte
}

// The phases of a command. Whoever comes second, the end of Submit or the response,
// goes on with it, so that a done function is never called in the middle of Submit and a
// chain of commands that end at once is a loop and not a recursion.
//
//	idle ──► submitting ──Submit returns──► waiting ──Respond──► inDone ──► idle
//	         submitting ──Respond──► complete ──Submit returns──► inDone ──Start──► again ──► submitting
const (
	idle = iota
	submitting
	waiting
	complete
	inDone // the done function runs
	again  // and has started the command anew
)

// Start begins a command and calls done when it has ended: once, from any goroutine,
// possibly before Start returns. done must not block; it may start the same command
// again, or another one. Start itself does not block unless the handler does that
// although it says that it does not. To abort the command, Manage ABORT TASK with its Tag.
// Starting a command that is in progress panics.
func (i *Initiator) Start(c *Command, done func(*Command)) {
	phase := c.phase.Load()
	if phase != idle && phase != inDone {
		panic("local: Start of a command that is in progress")
	}
	c.i, c.done = i, done
	c.Tag = i.tags.Add(1)
	if phase == inDone && c.phase.CompareAndSwap(inDone, again) {
		return // the one who has called its done function goes on
	}
	c.run()
}

// run submits the command, and again as long as its done function starts it anew.
func (c *Command) run() {
	for c.attempt() {
	}
}

// attempt submits the command. It reports whether to do so once more.
func (c *Command) attempt() bool {
	returned := false
	defer func() {
		if !returned && c.submitted() { // a handler has ended the goroutine
			c.run()
		}
	}()
	c.phase.Store(submitting)
	c.submit(c.CDB)
	returned = true
	return c.submitted()
}

// submitted follows Submit. It reports whether the command is to be submitted anew.
func (c *Command) submitted() bool {
	return !c.phase.CompareAndSwap(submitting, waiting) && c.finish()
}

// finish calls the done function. It reports whether that has started the command anew;
// if not, the command is the caller's again.
func (c *Command) finish() bool {
	i, live := c.i, c.live
	c.phase.Store(inDone)
	c.done(c)
	more := !c.phase.CompareAndSwap(inDone, idle)
	if live {
		i.leave()
	}
	return more
}

// submit gives the command to the engine, or ends it if that cannot be.
func (c *Command) submit(cdb []byte) {
	i := c.i
	c.Result, c.Err = Result{}, nil
	switch {
	case len(cdb) == 0 || len(cdb) > scsi.MaxCDB:
		c.refuse(errCDB)
		return
	case uint64(len(c.In)) > math.MaxUint32 || uint64(len(c.Out)) > math.MaxUint32:
		c.refuse(errTooLong)
		return
	case !i.enter():
		c.refuse(ErrClosed)
		return
	}
	c.live = true
	x := i.s.NewCommand()
	x.Driver = c
	x.SetCDB(cdb)
	x.Request = scsi.Request{
		Tag: c.Tag, LUN: scsi.MakeLUN(c.LUN, scsi.LUNPeripheral), Attr: c.Attr, Dir: direction(c.In, c.Out),
		ExpectedIn: uint32(len(c.In)), ExpectedOut: uint32(len(c.Out)), ExpectedSet: true,
	}
	i.s.Submit(x)
}

// refuse ends a command that the engine never saw.
func (c *Command) refuse(err error) {
	c.live = false
	c.Status, c.Err = scsi.StatusTaskAborted, err
	c.completed()
}

// completed goes on with a command whose result is known.
func (c *Command) completed() {
	if c.phase.Swap(complete) != waiting {
		return // whoever submits it goes on
	}
	if c.done == nil {
		c.ended <- struct{}{}
		return
	}
	if c.finish() {
		c.run()
	}
}

// take copies the result of a command that the engine has ended.
func (c *Command) take(x *scsi.Command) {
	if x.Silent() {
		c.Status, c.Err = scsi.StatusTaskAborted, ErrAborted
		if c.i.closing() {
			c.Err = ErrClosed
		}
		return
	}
	c.Status, c.Residual, c.ResidualOut = x.Status(), x.Residual(), x.ResidualOut()
	if b, n := x.DataIn(); n > 0 {
		n = min(n, len(c.In))
		if b != c.lent {
			n, _ = b.ReadAt(c.In[:n], 0)
		}
		c.N = n
	}
	switch c.Status {
	case scsi.StatusGood, scsi.StatusConditionMet:
	case scsi.StatusCheckCondition:
		if s := x.SenseData(); len(s) > 0 {
			c.Sense = c.sense[:copy(c.sense[:], s)]
		}
		c.Err = senseError(c.Sense)
	default:
		c.Err = scsi.StatusError(c.Status)
	}
}

// senseError is the error of a CHECK CONDITION.
func senseError(b []byte) error {
	if len(b) == 0 {
		return errNoSense
	}
	e, err := scsi.ParseSense(b)
	if err != nil {
		return fmt.Errorf("local: CHECK CONDITION: %w", err)
	}
	return &e
}

func direction(in, out []byte) scsi.Direction {
	d := scsi.DirNone
	if len(in) > 0 {
		d |= scsi.DirIn
	}
	if len(out) > 0 {
		d |= scsi.DirOut
	}
	return d
}

// send copies the data-out into the buffer that the engine has made for it.
func (c *Command) send(x *scsi.Command) error {
	b := x.ReceiveBuffer()
	if b == nil || b == c.lent {
		return nil
	}
	if b.Len() > len(c.Out) {
		return errNoData
	}
	_, err := b.WriteAt(c.Out[:b.Len()], 0)
	return err
}

// buffer wraps n bytes of the caller's memory; nil if they cannot be the command's buffer.
func (c *Command) buffer(n int) (*sgv.Buf, error) {
	mem := c.In
	if len(mem) == 0 {
		mem = c.Out
	}
	if len(mem) < n || len(c.In) > 0 && len(c.Out) > 0 {
		return nil, nil
	}
	c.lend[0] = mem[:n:n]
	b, err := c.i.direct.Wrap(c.lend[:], nil)
	c.lend[0] = nil
	c.lent = b
	return b, err
}

// abortion is the ABORT TASK for a command of Do.
func (c *Command) abortion() *fabric.Task {
	return &fabric.Task{Function: scsi.AbortTask, LUN: scsi.MakeLUN(c.LUN, scsi.LUNPeripheral), Tag: c.Tag}
}
