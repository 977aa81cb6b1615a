package faultstore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/goscst/goscst/backstore"
)

// Async makes a Submitter of a store with blocking methods: each Op is executed by a goroutine of
// its own and completed there. Everything else goes to the store as it is.
type Async struct {
	backstore.Passthrough
	wg sync.WaitGroup
}

// NewAsync wraps inner, which it owns.
func NewAsync(inner backstore.Backstore) *Async {
	return &Async{Passthrough: backstore.Passthrough{Inner: inner}}
}

// Geometry is that of the inner store.
func (a *Async) Geometry() backstore.Geometry {
	g := a.Passthrough.Geometry()
	g.Without &^= backstore.CapSubmit
	return g
}

// Submit executes op elsewhere.
func (a *Async) Submit(op *backstore.Op) {
	c := op.Completion()
	a.wg.Go(func() { c.Complete(a.do(op)) })
}

// Close waits for what was submitted and closes the inner store.
func (a *Async) Close() error {
	a.wg.Wait()
	return a.Inner.Close()
}

// do executes op. A panic of the store ends only op, since nobody else could recover it here.
func (a *Async) do(op *backstore.Op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("faultstore: panic: %v", p)
		}
	}()
	ctx := op.Context()
	switch op.Kind {
	case backstore.OpRead:
		return a.Readv(ctx, op.Iov, op.Off)
	case backstore.OpWrite:
		if op.FUA {
			return a.WritevFUA(ctx, op.Iov, op.Off)
		}
		return a.Writev(ctx, op.Iov, op.Off)
	case backstore.OpFlush:
		return a.Flush(ctx, op.Off, op.Len)
	case backstore.OpUnmap:
		return a.Unmap(ctx, op.Extents)
	case backstore.OpZero:
		return a.WriteZeroes(ctx, op.Off, op.Len, op.MayUnmap)
	}
	return errors.ErrUnsupported
}
