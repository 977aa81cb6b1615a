package osfile

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// TestNoSpace: a durable write that is told that there is no space was refused, or is told of what the
// system has lost; a flush finds out. Another durable write may be who lost it.
func TestNoSpace(t *testing.T) {
	noSpace := func() error { return backstore.ErrNoSpace }
	for _, loss := range []error{nil, unix.ENOSPC, unix.EIO} {
		synctest.Test(t, func(t *testing.T) {
			s := newDisk(t)
			found := make(chan bool)
			s.Datasync = func() error { <-found; return loss }
			told, won := make(chan error, 1), make(chan error, 1)
			go func() { told <- s.waited(noSpace) }()
			synctest.Wait()
			go func() { won <- s.waited(func() error { return nil }) }()
			synctest.Wait()
			require.Empty(t, won, "told before it is known")
			close(found)
			if loss == nil {
				require.ErrorIs(t, <-told, backstore.ErrNoSpace)
				require.NoError(t, <-won)
				require.NoError(t, s.Err(), "it was refused")
				return
			}
			require.ErrorIs(t, <-told, loss)
			require.ErrorIs(t, <-won, loss)
			require.ErrorIs(t, s.Sync(), loss)
		})
	}
}

// TestFlushApart: a durable write does not wait for a flush that has a file of its own.
func TestFlushApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDisk(t)
		end, flushed := make(chan bool), make(chan error)
		s.Datasync = func() error { <-end; return nil }
		go func() { flushed <- s.Sync() }()
		synctest.Wait()
		require.NoError(t, s.waited(func() error { return nil }))
		close(end)
		require.NoError(t, <-flushed)
	})
}

// TestNoSpaceWithoutFlush: where a flush is not told again, the loss is assumed, and durable writes are left out
// that would be told.
func TestNoSpaceWithoutFlush(t *testing.T) {
	s := newDisk(t)
	require.True(t, s.Durable())
	joinFlushes(t, s)
	require.False(t, s.Durable())
	flushed, fdatasync := false, s.Datasync
	s.Datasync = func() error { flushed = true; return fdatasync() }
	require.NoError(t, s.WritevFUA(t.Context(), vector(512), 0))
	require.True(t, flushed)
	require.ErrorIs(t, s.waited(func() error { return backstore.ErrNoSpace }), backstore.ErrNoSpace)
	require.ErrorIs(t, s.Sync(), backstore.ErrNoSpace)
}
