package file

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// TestFailedFlushStays: the system forgets a failed write-back after it has told once. The store
// does not.
func TestFailedFlushStays(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	var events []backstore.Event
	s.Notify(func(e backstore.Event) {
		_ = s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 0) // no lock is held
		events = append(events, e)
	})
	ctx := t.Context()
	require.NoError(t, s.Flush(ctx, 0, 0))
	realSync := s.h.sync
	s.h.sync = func() error { return syscall.EIO }
	require.NoError(t, s.Writev(ctx, [][]byte{make([]byte, 512)}, 0))
	require.ErrorIs(t, s.Flush(ctx, 0, 0), syscall.EIO)
	s.h.sync = realSync
	require.ErrorIs(t, s.Flush(ctx, 0, 512), syscall.EIO, "the loss is forgotten")
	require.ErrorIs(t, s.WritevFUA(ctx, [][]byte{make([]byte, 512)}, 0), syscall.EIO)
	require.NoError(t, s.Writev(ctx, [][]byte{make([]byte, 512)}, 0))
	require.Equal(t, []backstore.Event{{Kind: backstore.EventFault, Err: syscall.EIO}}, events)

	require.NoError(t, s.Close())
	again, err := Open(s.h.f.Name(), nil)
	require.NoError(t, err)
	require.NoError(t, again.Flush(ctx, 0, 0))
	require.NoError(t, again.Close())
}

// TestFlushesTakeTurns: the system tells an error to one of two callers; the other one must
// not take the silence for success. Who has waited shares one call with the others.
func TestFlushesTakeTurns(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	var calls, inside atomic.Int32
	entered, release := make(chan bool), make(chan error)
	s.h.sync = func() error {
		if inside.Add(1) > 1 {
			t.Error("two calls at once")
		}
		defer inside.Add(-1)
		calls.Add(1)
		entered <- true
		return <-release
	}
	results := make(chan error, 9)
	flush := func() { results <- s.Flush(context.Background(), 0, 0) }
	go flush()
	<-entered
	for range 8 {
		go flush() // some come while the first call runs, some later: all share one or two more
	}
	release <- nil
	<-entered
	release <- syscall.EIO
	failed := 0
	for range 9 {
		if err := <-results; err != nil {
			require.ErrorIs(t, err, syscall.EIO)
			failed++
		}
	}
	require.Equal(t, 8, failed, "a flush succeeded although the data was lost")
	require.EqualValues(t, 2, calls.Load())
}

// TestWriteThroughSettles: freeing blocks is durable as well when there is no write cache.
func TestWriteThroughSettles(t *testing.T) {
	for _, through := range []bool{false, true} {
		s := newStore(t, 1<<20, Options{WriteThrough: through})
		var syncs atomic.Int32
		realSync := s.h.sync
		s.h.sync = func() error { syncs.Add(1); return realSync() }
		want := int32(0)
		if backstore.Caps(s).Has(backstore.CapUnmap) {
			require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Len: 8192}, {Off: 65536, Len: 4096}}))
			if through {
				want++
			}
		}
		switch err := s.WriteZeroes(t.Context(), 0, 8192, false); {
		case err == nil && through:
			want++
		case err != nil:
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		require.Equal(t, want, syncs.Load(), "write-through: %v", through)
	}
}

func TestFUAFallback(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	s.refuseSyncWrites()
	data := bytes.Repeat([]byte{7}, 4096)
	synced := false
	realSync := s.h.sync
	s.h.sync = func() error {
		got := make([]byte, len(data))
		require.NoError(t, s.h.transfer(t.Context(), ioRead, [][]byte{got}, 8192))
		require.Equal(t, data, got, "flushed before it was written")
		synced = true
		return realSync()
	}
	require.NoError(t, s.WritevFUA(t.Context(), [][]byte{data[:100], data[100:]}, 8192))
	require.True(t, synced)
	s.h.sync = func() error { return syscall.EIO }
	require.ErrorIs(t, s.WritevFUA(t.Context(), [][]byte{data}, 8192), syscall.EIO)
	s.h.sync = realSync
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), syscall.EIO)
}
