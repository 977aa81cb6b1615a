package osfile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// disk is a store on a file of 1 MiB.
type disk struct {
	backstore.Broadcaster
	File
	Store
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "disk")
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<20))
	d := &disk{}
	d.File.Init(f)
	d.OpenApart()
	d.Store.Init(&d.File, &d.Broadcaster, backstore.Geometry{Size: 1 << 20, BlockSize: 512, Volatile: true})
	prepare(d)
	t.Cleanup(func() { require.NoError(t, d.Store.Close(d.File.Close)) })
	return d
}

// TestFlushesTakeTurns: the system tells an error to one of two callers; the other one must
// not take the silence for success. Who has waited shares one call with the others.
func TestFlushesTakeTurns(t *testing.T) {
	s := newDisk(t)
	var calls, inside atomic.Int32
	entered, release := make(chan bool), make(chan error)
	s.Datasync = func() error {
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

// TestLossStays: the system forgets a failed write-back after it has told once. The store does not,
// and announces it once, with no lock held.
func TestLossStays(t *testing.T) {
	s := newDisk(t)
	var events []backstore.Event
	s.Notify(func(e backstore.Event) {
		_ = s.Store.Close(s.File.Close)
		events = append(events, e)
	})
	s.Datasync = func() error { return syscall.EIO }
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), syscall.EIO)
	s.TellLoss()
	require.Equal(t, []backstore.Event{{Kind: backstore.EventFault, Err: syscall.EIO}}, events)
	require.Equal(t, syscall.EIO, s.Note(syscall.ENOSPC), "the first one counts")
}

// TestFUAFallback: where the system does not know durable writes, a flush follows.
func TestFUAFallback(t *testing.T) {
	s := newDisk(t)
	refuseSyncWrites(s)
	data := bytes.Repeat([]byte{7}, 4096)
	synced := false
	realSync := s.Datasync
	s.Datasync = func() error {
		got := make([]byte, len(data))
		require.NoError(t, s.Transfer(t.Context(), Read, [][]byte{got}, 8192))
		require.Equal(t, data, got, "flushed before it was written")
		synced = true
		return realSync()
	}
	require.NoError(t, s.WritevFUA(t.Context(), [][]byte{data[:100], data[100:]}, 8192))
	require.True(t, synced)
	s.Datasync = func() error { return syscall.EIO }
	require.ErrorIs(t, s.WritevFUA(t.Context(), [][]byte{data}, 8192), syscall.EIO)
	s.Datasync = realSync
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), syscall.EIO)
}

// TestLossCountsForAll: a write that waits and is told nothing fails if another one was told meanwhile.
func TestLossCountsForAll(t *testing.T) {
	s := newDisk(t)
	require.NoError(t, s.waited(func() error { return nil }))
	require.ErrorIs(t, s.waited(func() error {
		require.ErrorIs(t, s.waited(func() error { return syscall.EIO }), syscall.EIO)
		return nil
	}), syscall.EIO)
	require.ErrorIs(t, s.waited(func() error { t.Error("called"); return nil }), syscall.EIO)
}

// TestLossIsNotedFirst: the system has told one of a loss, who has not noted it yet; nobody who has
// begun meanwhile is told that his data is durable. Who begins later is not waited for. Flushes
// take part where they have no file of their own.
func TestLossIsNotedFirst(t *testing.T) {
	type call func(s *disk, kernel func() error) error
	flush := func(s *disk, kernel func() error) error {
		s.Datasync = kernel
		return s.Sync()
	}
	write := func(s *disk, kernel func() error) error { return s.waited(kernel) }
	for name, tt := range map[string]struct{ loser, winner, later call }{
		"write and write": {write, write, flush},
		"write and flush": {write, flush, write},
		"flush and write": {flush, write, write},
	} {
		for _, outcome := range []error{syscall.EIO, nil} {
			t.Run(fmt.Sprintf("%s, %v", name, outcome), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newDisk(t)
					joinFlushes(t, s)
					note, end := make(chan bool), make(chan bool)
					lost, won, late := make(chan error, 1), make(chan error, 1), make(chan error, 1)
					go func() { lost <- tt.loser(s, func() error { <-note; return outcome }) }()
					synctest.Wait()
					go func() { won <- tt.winner(s, func() error { return nil }) }()
					synctest.Wait()
					require.Empty(t, won, "told before it is known")
					go func() { late <- tt.later(s, func() error { <-end; return nil }) }()
					synctest.Wait()
					close(note)
					require.Equal(t, outcome, <-won)
					close(end)
					require.Equal(t, outcome, <-lost)
					require.Equal(t, outcome, <-late)
				})
			})
		}
	}
}

// TestRefreshes: of two looks at the size the later one counts.
func TestRefreshes(t *testing.T) {
	s := newDisk(t)
	looking, goOn, done := make(chan bool), make(chan bool), make(chan error)
	go func() {
		done <- s.Refresh(func() (int64, bool, error) {
			looking <- true
			<-goOn
			return 2 << 20, false, nil
		})
	}()
	<-looking
	go func() {
		done <- s.Refresh(func() (int64, bool, error) { return 3 << 20, true, nil })
	}()
	close(goOn)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.EqualValues(t, 3<<20, s.Geometry().Size)
	require.True(t, s.Geometry().ReadOnly)
}

func TestClosed(t *testing.T) {
	s := newDisk(t)
	require.NoError(t, s.Store.Close(s.File.Close))
	require.NoError(t, s.Store.Close(s.File.Close))
	require.True(t, s.Closed())
	ctx, iov := t.Context(), vector(512)
	nothing := func(int64, int64) error { t.Error("called"); return nil }
	for _, err := range []error{
		s.Readv(ctx, iov, 0), s.Writev(ctx, iov, 0), s.WritevFUA(ctx, iov, 0), s.TryReadv(iov, 0), s.TryWritev(iov, 0),
		s.Flush(ctx, 0, 0), s.Unmap(ctx, []backstore.Extent{{Len: 512}}, nothing), s.Store.Zero(ctx, 0, 512, nothing),
		s.Alone(func() error { t.Error("called"); return nil }),
		s.Refresh(func() (int64, bool, error) { t.Error("called"); return 0, false, nil }),
	} {
		require.ErrorIs(t, err, backstore.ErrClosed)
	}
}
