package faultstore_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/backstore/mem"
)

func TestConformance(t *testing.T) {
	bare := func() backstore.Backstore { return struct{ backstore.Backstore }{mem.New(1 << 20)} }
	for name, open := range map[string]func() backstore.Backstore{
		"plain": func() backstore.Backstore { return faultstore.New(mem.New(1<<20), nil) },
		"hidden": func() backstore.Backstore {
			return faultstore.New(mem.New(1<<20), &faultstore.Options{Hide: backstore.CapLend | backstore.CapFUA})
		},
		"power cut": func() backstore.Backstore {
			return faultstore.New(mem.New(1<<20), &faultstore.Options{PowerCut: true})
		},
		"power cut, bare": func() backstore.Backstore {
			return faultstore.New(bare(), &faultstore.Options{PowerCut: true, Loss: faultstore.LossScattered})
		},
		"async": func() backstore.Backstore { return faultstore.NewAsync(mem.New(1 << 20)) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := &backstoretest.Options{Ops: 60}
			if _, ok := open().(*faultstore.Store); ok {
				opts.PowerCut = powerCut
			}
			backstoretest.RunWith(t, func(*testing.T) backstore.Backstore { return open() }, opts)
		})
	}
}

func powerCut(t *testing.T, b backstore.Backstore) backstore.Backstore {
	after, err := b.(*faultstore.Store).Cut()
	require.NoError(t, err)
	require.ErrorIs(t, b.Readv(t.Context(), nil, 0), backstore.ErrNotReady)
	require.NoError(t, b.Close())
	return after
}

func newStore(t *testing.T, text string, opts faultstore.Options) *faultstore.Store {
	t.Helper()
	list, err := faultstore.ParseRules(text)
	require.NoError(t, err)
	opts.Rules = append(opts.Rules, list...)
	s := faultstore.New(mem.New(1<<20), &opts)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	block := make([]byte, 512)
	iov := [][]byte{block}
	calls := map[string]func(s *faultstore.Store) error{
		"read":      func(s *faultstore.Store) error { return s.Readv(ctx, iov, 0) },
		"write":     func(s *faultstore.Store) error { return s.Writev(ctx, iov, 0) },
		"fua":       func(s *faultstore.Store) error { return s.WritevFUA(ctx, iov, 0) },
		"flush":     func(s *faultstore.Store) error { return s.Flush(ctx, 0, 0) },
		"unmap":     func(s *faultstore.Store) error { return s.Unmap(ctx, []backstore.Extent{{Len: 512}}) },
		"zero":      func(s *faultstore.Store) error { return s.WriteZeroes(ctx, 0, 512, true) },
		"writesame": func(s *faultstore.Store) error { return s.WriteSame(ctx, block, 0, 512) },
		"compare":   func(s *faultstore.Store) error { return s.CompareAndWrite(ctx, iov, iov, 0) },
		"verify":    func(s *faultstore.Store) error { return s.Verify(ctx, 0, 512) },
		"copy":      func(s *faultstore.Store) error { return s.CopyRange(ctx, 0, s, 512, 512) },
		"extents":   func(s *faultstore.Store) error { _, err := s.AppendExtents(ctx, nil, 0, 512); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, name+" nth=2 error=fenced", faultstore.Options{})
			first := call(s)
			require.NotErrorIs(t, first, backstore.ErrFenced)
			require.ErrorIs(t, call(s), backstore.ErrFenced)
			require.Equal(t, first, call(s))
			for other, call := range calls {
				s.SetRules(faultstore.Rule{Ops: faultstore.OpAny, Err: backstore.ErrBusy})
				require.ErrorIs(t, call(s), backstore.ErrBusy, other)
			}
			s.SetRules()
			require.Equal(t, first, call(s))
		})
	}
}

func TestNowaitAndLendAvoidRules(t *testing.T) {
	s := newStore(t, "read nth=3 stick error=io; write nth=2 error=io", faultstore.Options{})
	iov := [][]byte{make([]byte, 512)}
	require.NoError(t, s.TryReadv(iov, 0))
	_, release, ok := s.Lend(0, 512, nil)
	require.True(t, ok)
	release()
	require.ErrorIs(t, s.TryReadv(iov, 0), backstore.ErrWouldBlock, "the third read would stick")
	_, _, ok = s.Lend(0, 512, nil)
	require.False(t, ok)
	require.NoError(t, s.TryWritev(iov, 0))
	require.ErrorIs(t, s.TryWritev(iov, 0), backstore.ErrWouldBlock)
	require.ErrorIs(t, s.Writev(t.Context(), iov, 0), faultstore.ErrInjected, "attempts that fail are not counted")
}

// mappedLender lends its memory as if it were mapped.
type mappedLender struct{ *mem.Store }

func (m mappedLender) LendMapped(off, n int64, dst [][]byte) ([][]byte, func(), bool) {
	return m.Lend(off, n, dst)
}

func (mappedLender) Intact() bool { return true }

func TestLendMappedAvoidsRules(t *testing.T) {
	s := faultstore.New(mappedLender{mem.New(1 << 20)}, nil)
	defer s.Close()
	require.True(t, backstore.Caps(s).Has(backstore.CapLendMapped))
	require.True(t, s.Intact())
	s.SetRules(faultstore.Rule{Ops: faultstore.OpRead, From: 2, Err: backstore.ErrBusy})
	_, release, ok := s.LendMapped(0, 512, nil)
	require.True(t, ok)
	release()
	_, _, ok = s.LendMapped(0, 512, nil)
	require.False(t, ok, "the second read would fail")
	require.ErrorIs(t, s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 0), backstore.ErrBusy)
}

func TestPartial(t *testing.T) {
	s := newStore(t, "write nth=1 partial error=io; read nth=2 partial error=io", faultstore.Options{})
	data := bytes.Repeat([]byte{7}, 2048)
	require.ErrorIs(t, s.Writev(t.Context(), [][]byte{data[:700], data[700:]}, 0), faultstore.ErrInjected)
	got := bytes.Repeat([]byte{1}, 2048)
	require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
	require.Equal(t, append(bytes.Repeat([]byte{7}, 1024), make([]byte, 1024)...), got)
	got = bytes.Repeat([]byte{1}, 2048)
	require.ErrorIs(t, s.Readv(t.Context(), [][]byte{got}, 0), faultstore.ErrInjected)
	require.Equal(t, append(bytes.Repeat([]byte{7}, 1024), bytes.Repeat([]byte{1}, 1024)...), got)
}

func TestStick(t *testing.T) {
	s := newStore(t, "write times=3 stick; read nth=1 stick error=notready", faultstore.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a stuck call does not care
	done := make(chan error, 4)
	for i := range 3 {
		go func() { done <- s.Writev(context.Background(), [][]byte{bytes.Repeat([]byte{9}, 512)}, int64(i)*512) }()
	}
	require.NoError(t, s.WaitStuck(t.Context(), 3))
	go func() { done <- s.Readv(ctx, [][]byte{make([]byte, 512)}, 0) }()
	require.NoError(t, s.WaitStuck(t.Context(), 4))
	require.Equal(t, 4, s.Stuck())
	require.Empty(t, done)
	got := make([]byte, 512)
	require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
	require.Zero(t, got[0], "nothing is written while it is stuck")
	require.ErrorIs(t, s.WaitStuck(ctx, 5), context.Canceled)
	require.Equal(t, 3, s.Release(3))
	for range 3 {
		require.NoError(t, <-done)
	}
	require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
	require.Equal(t, byte(9), got[0])
	require.Equal(t, 1, s.Release(-1))
	require.ErrorIs(t, <-done, backstore.ErrNotReady)
	require.Zero(t, s.Release(-1))
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faultstore.New(mem.New(512), &faultstore.Options{
			Rules: []faultstore.Rule{{Ops: faultstore.OpFlush, Delay: time.Hour, Err: backstore.ErrBusy}},
		})
		defer s.Close()
		start := time.Now()
		require.ErrorIs(t, s.Flush(t.Context(), 0, 0), backstore.ErrBusy)
		require.Equal(t, time.Hour, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, s.Flush(ctx, 0, 0), context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Minute, time.Since(start))
	})
}

func TestPanic(t *testing.T) {
	s := newStore(t, "read nth=1 panic", faultstore.Options{})
	require.Panics(t, func() { _ = s.Readv(t.Context(), nil, 0) })
	require.NoError(t, s.Readv(t.Context(), nil, 0), "no lock is left behind")

	s = newStore(t, "read nth=1 panic", faultstore.Options{})
	a := faultstore.NewAsync(s)
	require.ErrorContains(t, backstore.Wait(t.Context(), a, backstore.OpRead, nil, 0, 0), "panic")
}

func TestObserve(t *testing.T) {
	var calls []faultstore.Call
	s := newStore(t, "write nth=2 error=io", faultstore.Options{
		Observe: func(c faultstore.Call) { calls = append(calls, c) },
	})
	iov := [][]byte{make([]byte, 512)}
	require.NoError(t, s.Writev(t.Context(), iov, 1024))
	require.Error(t, s.Writev(t.Context(), iov, 1024))
	require.Error(t, s.Readv(t.Context(), iov, 1<<20))
	require.Equal(t, []faultstore.Call{
		{Op: faultstore.OpWrite, Range: backstore.Extent{Off: 1024, Len: 512}},
		{Op: faultstore.OpWrite, Range: backstore.Extent{Off: 1024, Len: 512}, Done: true},
		{Op: faultstore.OpRead, Range: backstore.Extent{Off: 1 << 20, Len: 512}},
		{Op: faultstore.OpRead, Range: backstore.Extent{Off: 1 << 20, Len: 512}, Done: true, Err: backstore.ErrOutOfRange},
	}, calls)
}

func TestEvents(t *testing.T) {
	m := mem.New(1 << 20)
	s := faultstore.New(m, nil)
	defer s.Close()
	var got []backstore.EventKind
	stop := backstore.Resolve(s).Notifier.Notify(func(e backstore.Event) { got = append(got, e.Kind) })
	s.Emit(backstore.Event{Kind: backstore.EventEjected})
	require.NoError(t, m.Resize(2<<20))
	stop()
	s.Emit(backstore.Event{Kind: backstore.EventInserted})
	require.Equal(t, []backstore.EventKind{backstore.EventEjected, backstore.EventCapacity}, got)
}

func TestFailedClose(t *testing.T) {
	s := faultstore.New(mem.New(512), &faultstore.Options{Rules: []faultstore.Rule{{Ops: faultstore.OpClose, Times: 1, Err: faultstore.ErrInjected}}})
	require.ErrorIs(t, s.Close(), faultstore.ErrInjected)
	require.NoError(t, s.Readv(t.Context(), nil, 0))
	require.NoError(t, s.Close())
	require.True(t, errors.Is(s.Readv(t.Context(), nil, 0), backstore.ErrClosed))
	_, err := s.Cut()
	require.ErrorIs(t, err, backstore.ErrClosed)
}
