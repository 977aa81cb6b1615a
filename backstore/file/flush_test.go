package file

import (
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
	realSync := s.h.Datasync
	s.h.Datasync = func() error { return syscall.EIO }
	require.NoError(t, s.Writev(ctx, [][]byte{make([]byte, 512)}, 0))
	require.ErrorIs(t, s.Flush(ctx, 0, 0), syscall.EIO)
	s.h.Datasync = realSync
	require.ErrorIs(t, s.Flush(ctx, 0, 512), syscall.EIO, "the loss is forgotten")
	require.ErrorIs(t, s.WritevFUA(ctx, [][]byte{make([]byte, 512)}, 0), syscall.EIO)
	require.NoError(t, s.Writev(ctx, [][]byte{make([]byte, 512)}, 0))
	require.Equal(t, []backstore.Event{{Kind: backstore.EventFault, Err: syscall.EIO}}, events)

	require.NoError(t, s.Close())
	again, err := Open(s.h.F.Name(), nil)
	require.NoError(t, err)
	require.NoError(t, again.Flush(ctx, 0, 0))
	require.NoError(t, again.Close())
}

// TestWriteThroughSettles: freeing blocks is durable as well when there is no write cache.
func TestWriteThroughSettles(t *testing.T) {
	for _, through := range []bool{false, true} {
		s := newStore(t, 1<<20, Options{WriteThrough: through})
		var syncs atomic.Int32
		realSync := s.h.Datasync
		s.h.Datasync = func() error { syncs.Add(1); return realSync() }
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
