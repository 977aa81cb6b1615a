package backstore

import (
	"context"
	"sync"
	"sync/atomic"
)

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op. A Submitter gets OpFlush, OpUnmap and OpZero only if it also implements
// Flusher, Unmapper and Zeroer, and an Op with FUA only if it implements FUAWriter.
const (
	OpRead  OpKind = iota + 1 // Readv of Iov at Off
	OpWrite                   // Writev, or WritevFUA with FUA
	OpFlush                   // Flush of [Off, Off+Len); Len 0 is to the end
	OpUnmap                   // Unmap of Extents
	OpZero                    // WriteZeroes of [Off, Off+Len), with MayUnmap
)

// String names the kind.
func (k OpKind) String() string {
	switch k {
	case OpRead:
		return "read"
	case OpWrite:
		return "write"
	case OpFlush:
		return "flush"
	case OpUnmap:
		return "unmap"
	case OpZero:
		return "zero"
	}
	return "unknown"
}

// Submitter is for engines that finish I/O by themselves (io_uring, network clients).
// Submit must not block; it completes op exactly once, from any goroutine, possibly before it
// returns. When the context of op is done it may complete early with its error, but as everywhere
// only once no I/O can touch Iov. The blocking methods serve the slow paths, and Wait implements
// them in a line each.
type Submitter interface {
	Backstore
	Submit(op *Op)
}

// Completer is told the outcome of an Op. OpDone runs on the goroutine that completes op, which
// may be the one inside Submit. From its call on op is its maker's again.
type Completer interface {
	OpDone(op *Op, err error)
}

// Op is one asynchronous operation. Its maker fills in the fields, calls Arm and then Submit; from
// then until it is completed it belongs to the Submitter. An Op may be used again after that,
// so that a pool of them makes submission free of allocation. It must not be copied.
type Op struct {
	Kind     OpKind
	FUA      bool     // OpWrite: durable when completed
	MayUnmap bool     // OpZero: blocks may be deallocated
	Off, Len int64    // bytes; Len is that of Iov for OpRead and OpWrite
	Iov      [][]byte // OpRead, OpWrite
	Extents  []Extent // OpUnmap
	Driver   any      // the Submitter's own state, kept from use to use

	ctx  context.Context
	done Completer
	// state is twice the number of times that the op was armed, plus one while it is armed. It
	// makes exactly one completion win and all others visible.
	state atomic.Uint64
}

// Arm makes op ready for Submit: done will be called once. ctx must outlive the operation. Arm
// panics when op is armed already.
func (o *Op) Arm(ctx context.Context, done Completer) {
	if o.state.Load()&1 != 0 {
		panic("backstore: Arm of an Op in flight")
	}
	o.ctx, o.done = ctx, done
	o.state.Add(1)
}

// Context is that of the command which op is part of.
func (o *Op) Context() context.Context { return o.ctx }

// Complete ends op. It may be called inside Submit and does not block longer than the Completer.
// A second call panics if op has not been armed again since; use a Completion where a late
// duplicate is possible.
func (o *Op) Complete(err error) { o.Completion().Complete(err) }

// Completion returns the right to end op. Only the Submitter calls it, while op is in flight.
func (o *Op) Completion() Completion { return Completion{op: o, gen: o.state.Load()} }

// Completion is the right to end one use of an Op. Copy it freely, use it once: it carries the
// number of the use, so that a duplicate cannot end an operation of somebody else.
type Completion struct {
	op  *Op
	gen uint64
}

// Complete ends the operation. A second call on this or another copy panics, also when the Op
// is in use again.
func (c Completion) Complete(err error) {
	if c.op == nil || c.gen&1 == 0 {
		panic("backstore: Complete of an Op that is not in flight")
	}
	done := c.op.done
	if !c.op.state.CompareAndSwap(c.gen, c.gen+1) {
		panic("backstore: second Complete of an Op")
	}
	done.OpDone(c.op, err)
}

// Op returns the operation.
func (c Completion) Op() *Op { return c.op }

// waiter is an Op somebody waits for.
type waiter struct {
	op Op
	ch chan error // capacity 1, so that the completing goroutine never waits
}

func (w *waiter) OpDone(_ *Op, err error) { w.ch <- err }

var waiters = sync.Pool{New: func() any { return &waiter{ch: make(chan error, 1)} }}

// Wait submits an Op made of its arguments and waits for its completion: for that, and not just
// for ctx, because until then I/O may touch iov. n is used by OpFlush, OpUnmap (one extent) and
// OpZero (which may not unmap).
func Wait(ctx context.Context, s Submitter, k OpKind, iov [][]byte, off, n int64) error {
	w := waiters.Get().(*waiter)
	w.op.Kind, w.op.Iov, w.op.Off, w.op.Len = k, iov, off, n
	switch k {
	case OpRead, OpWrite:
		w.op.Len = Len(iov)
	case OpUnmap:
		w.op.Extents = []Extent{{Off: off, Len: n}}
	}
	return w.wait(ctx, s)
}

// WaitFUA is Wait for a write that is durable when it returns nil.
func WaitFUA(ctx context.Context, s Submitter, iov [][]byte, off int64) error {
	w := waiters.Get().(*waiter)
	w.op.Kind, w.op.FUA, w.op.Iov, w.op.Off, w.op.Len = OpWrite, true, iov, off, Len(iov)
	return w.wait(ctx, s)
}

// WaitUnmap is Wait for an OpUnmap of several extents.
func WaitUnmap(ctx context.Context, s Submitter, extents []Extent) error {
	w := waiters.Get().(*waiter)
	w.op.Kind, w.op.Extents = OpUnmap, extents
	return w.wait(ctx, s)
}

// WaitZero is Wait for an OpZero.
func WaitZero(ctx context.Context, s Submitter, off, n int64, mayUnmap bool) error {
	w := waiters.Get().(*waiter)
	w.op.Kind, w.op.Off, w.op.Len, w.op.MayUnmap = OpZero, off, n, mayUnmap
	return w.wait(ctx, s)
}

// wait submits the op, waits, and gives w back without references to the caller's memory. Driver
// stays: it may belong to another Submitter next time, which must not take it for its own.
func (w *waiter) wait(ctx context.Context, s Submitter) error {
	w.op.Arm(ctx, w)
	s.Submit(&w.op)
	err := <-w.ch
	o := &w.op
	o.Kind, o.FUA, o.MayUnmap, o.Off, o.Len = 0, false, false, 0, 0
	o.Iov, o.Extents, o.Driver, o.ctx, o.done = nil, nil, nil, nil, nil
	waiters.Put(w)
	return err
}
