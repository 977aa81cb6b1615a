package backstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/mem"
)

// queue is a Submitter on top of memory: Ops are executed by goroutines of its own, or inside
// Submit. Its blocking methods are made of Wait.
type queue struct {
	m      *mem.Store
	inline bool
	ops    chan backstore.Completion
	wg     sync.WaitGroup
}

func newQueue(inline bool) *queue {
	q := &queue{m: mem.New(1 << 20), inline: inline, ops: make(chan backstore.Completion, 64)}
	for range 2 {
		ops := q.ops
		q.wg.Go(func() {
			for c := range ops {
				c.Complete(q.do(c.Op()))
			}
		})
	}
	return q
}

func (q *queue) Geometry() backstore.Geometry { return q.m.Geometry() }

func (q *queue) Submit(op *backstore.Op) {
	if q.inline {
		op.Complete(q.do(op))
		return
	}
	q.ops <- op.Completion()
}

func (q *queue) do(op *backstore.Op) error {
	ctx := op.Context()
	switch op.Kind {
	case backstore.OpRead:
		return q.m.Readv(ctx, op.Iov, op.Off)
	case backstore.OpWrite:
		if op.FUA {
			return q.m.WritevFUA(ctx, op.Iov, op.Off)
		}
		return q.m.Writev(ctx, op.Iov, op.Off)
	case backstore.OpFlush:
		return q.m.Flush(ctx, op.Off, op.Len)
	case backstore.OpUnmap:
		return q.m.Unmap(ctx, op.Extents)
	case backstore.OpZero:
		return q.m.WriteZeroes(ctx, op.Off, op.Len, op.MayUnmap)
	}
	return errors.ErrUnsupported
}

func (q *queue) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.Wait(ctx, q, backstore.OpRead, iov, off, 0)
}

func (q *queue) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.Wait(ctx, q, backstore.OpWrite, iov, off, 0)
}

func (q *queue) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.WaitFUA(ctx, q, iov, off)
}

func (q *queue) Flush(ctx context.Context, off, n int64) error {
	return backstore.Wait(ctx, q, backstore.OpFlush, nil, off, n)
}

func (q *queue) Unmap(ctx context.Context, extents []backstore.Extent) error {
	return backstore.WaitUnmap(ctx, q, extents)
}

func (q *queue) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	return backstore.WaitZero(ctx, q, off, n, mayUnmap)
}

func (q *queue) Close() error {
	if q.ops != nil {
		close(q.ops)
		q.ops = nil
		q.inline = true // so that later I/O finds a closed store
		q.wg.Wait()
	}
	return q.m.Close()
}

func TestSubmitterConformance(t *testing.T) {
	for _, inline := range []bool{false, true} {
		backstoretest.RunWith(t, func(*testing.T) backstore.Backstore { return newQueue(inline) },
			&backstoretest.Options{Ops: 60})
	}
}

func TestWaitAllocs(t *testing.T) {
	q := newQueue(true)
	defer q.Close()
	ctx := context.Background()
	iov := [][]byte{make([]byte, 4096)}
	allocs := testing.AllocsPerRun(200, func() {
		if err := q.Readv(ctx, iov, 0); err != nil {
			panic(err)
		}
	})
	require.Less(t, allocs, 1.0)
}

// outcome records what a Completer was told.
type outcome struct{ errs []error }

func (o *outcome) OpDone(_ *backstore.Op, err error) { o.errs = append(o.errs, err) }

func TestCompleteOnce(t *testing.T) {
	var op backstore.Op
	var out outcome
	require.Panics(t, func() { op.Complete(nil) }, "not armed")
	op.Arm(t.Context(), &out)
	require.Panics(t, func() { op.Arm(t.Context(), &out) }, "armed twice")
	require.Equal(t, t.Context(), op.Context())
	late := op.Completion()
	require.Same(t, &op, late.Op())
	op.Complete(backstore.ErrBusy)
	require.Panics(t, func() { op.Complete(nil) })
	require.Panics(t, func() { late.Complete(nil) })

	var next outcome
	op.Arm(t.Context(), &next) // somebody else uses it now
	require.Panics(t, func() { late.Complete(nil) }, "a late duplicate must not end another operation")
	require.Empty(t, next.errs)
	op.Completion().Complete(nil)
	require.Equal(t, []error{backstore.ErrBusy}, out.errs)
	require.Equal(t, []error{nil}, next.errs)
	require.Panics(t, func() { backstore.Completion{}.Complete(nil) })
}

// TestCompleteRace: of many that complete one operation exactly one wins.
func TestCompleteRace(t *testing.T) {
	for range 200 {
		var op backstore.Op
		var out outcome
		op.Arm(t.Context(), &out)
		c := op.Completion()
		var wg sync.WaitGroup
		var mu sync.Mutex
		panics := 0
		for range 4 {
			wg.Go(func() {
				defer func() {
					if recover() != nil {
						mu.Lock()
						panics++
						mu.Unlock()
					}
				}()
				c.Complete(nil)
			})
		}
		wg.Wait()
		require.Equal(t, 3, panics)
		require.Len(t, out.errs, 1)
	}
}

func TestOpKindString(t *testing.T) {
	for k, want := range map[backstore.OpKind]string{
		backstore.OpRead: "read", backstore.OpWrite: "write", backstore.OpFlush: "flush",
		backstore.OpUnmap: "unmap", backstore.OpZero: "zero", 0: "unknown",
	} {
		require.Equal(t, want, k.String())
	}
}
