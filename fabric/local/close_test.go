package local_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// waitingUnit ends READ when it is aborted, and everything else at once.
func waitingUnit(started chan<- struct{}) *unit {
	return blocking(func(c *scsi.Command) error {
		if c.Op().Op != scsi.OpRead16 {
			return nil
		}
		started <- struct{}{}
		<-c.Context().Done()
		return c.Context().Err()
	})
}

func TestCloseAbortsWhatRuns(t *testing.T) {
	started := make(chan struct{})
	i := serve(t, waitingUnit(started))
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := i.Do(bg, 0, read16(0, 1), nil, make([]byte, 512))
			results <- err
		}()
		<-started
	}
	var returned int
	c := local.Command{CDB: read16(0, 1), In: make([]byte, 512)}
	i.Start(&c, func(*local.Command) { returned++ })
	<-started
	require.NoError(t, i.Close())
	require.Equal(t, 1, returned, "Close waits for done functions")
	require.ErrorIs(t, c.Err, local.ErrClosed)
	for range cap(results) {
		require.ErrorIs(t, <-results, local.ErrClosed)
	}
	<-i.Done()
	require.ErrorIs(t, i.Err(), engine.ErrSessionClosed)
	require.NoError(t, i.Close())

	_, err := i.Do(bg, 0, testUnitReady, nil, nil)
	require.ErrorIs(t, err, local.ErrClosed)
	_, err = i.Manage(bg, scsi.LogicalUnitReset, 0, 0)
	require.ErrorIs(t, err, local.ErrClosed)
	i.Start(&c, func(*local.Command) { returned++ })
	require.Equal(t, 2, returned)
	require.ErrorIs(t, c.Err, local.ErrClosed)
}

// TestShutdownIsGentle lets what is in progress end, refuses the rest, and goes on.
func TestShutdownIsGentle(t *testing.T) {
	s := newStuck()
	e, tgt := target(t, s)
	i := login(t, tgt, nil)
	result := make(chan error, 1)
	go func() {
		_, err := i.Do(bg, 0, read16(0, 1), nil, make([]byte, 512))
		result <- err
	}()
	<-s.started
	down := make(chan error, 1)
	go func() { down <- e.Shutdown(bg) }()
	for { // until the request to log out has arrived
		if _, err := i.Do(bg, 0, testUnitReady, nil, nil); err != nil {
			require.ErrorIs(t, err, local.ErrClosed)
			break
		}
	}
	require.NoError(t, i.Err())
	close(s.release)
	require.NoError(t, <-result)
	require.NoError(t, <-down)
	require.NoError(t, i.Close())
}

// TestEngineCloses has commands and logins meet the end of the engine.
func TestEngineCloses(t *testing.T) {
	for range 20 {
		e, tgt := target(t, inline(vendor))
		var wg sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range cap(begun) {
			wg.Go(func() {
				i, err := local.Login(bg, tgt, nil)
				if err != nil {
					begun <- struct{}{}
					return
				}
				err = i.WaitReady(bg, 0)
				begun <- struct{}{}
				for err == nil {
					_, err = i.Do(bg, 0, testUnitReady, nil, nil)
				}
				require.True(t, isEnd(err), "%v", err)
				require.NoError(t, i.Close())
			})
		}
		<-begun
		require.NoError(t, e.Close())
		wg.Wait()
	}
}

// isEnd tells whether err is what a command ends with when its session does.
func isEnd(err error) bool { return err == local.ErrClosed || err == local.ErrAborted }

func TestEventsReachTheProgram(t *testing.T) {
	events := make(chan fabric.Event, 8)
	e, tgt := target(t, inline(vendor))
	login(t, tgt, &local.Options{Event: func(ev fabric.Event) { events <- ev }})
	d, ok := e.Device("a")
	require.True(t, ok)
	d.Raise(scsi.CapacityChanged)
	require.Equal(t, fabric.Event{Sense: scsi.CapacityChanged}, <-events)
}

func TestManage(t *testing.T) {
	started := make(chan struct{})
	i := serve(t, waitingUnit(started))
	ended := make(chan error, 1)
	c := local.Command{CDB: read16(0, 1), In: make([]byte, 512)}
	i.Start(&c, func(c *local.Command) { ended <- c.Err })
	<-started
	answer := func(fn scsi.TaskFunction, lun uint16, tag uint64) scsi.TaskResponse {
		t.Helper()
		f, err := i.Manage(bg, fn, lun, tag)
		require.NoError(t, err)
		return f.Response
	}
	require.Equal(t, scsi.FunctionSucceeded, answer(scsi.QueryTask, 0, c.Tag))
	require.Equal(t, scsi.TaskNotFound, answer(scsi.AbortTask, 0, c.Tag+1))
	require.Equal(t, scsi.IncorrectLUN, answer(scsi.AbortTask, 9, c.Tag))
	require.Equal(t, scsi.FunctionComplete, answer(scsi.AbortTask, 0, c.Tag))
	select {
	case err := <-ended:
		require.ErrorIs(t, err, local.ErrAborted)
	default:
		t.Fatal("the function is complete, and the command has not ended")
	}
	require.Equal(t, scsi.FunctionComplete, answer(scsi.QueryTask, 0, c.Tag))
	require.Equal(t, scsi.FunctionComplete, answer(scsi.LogicalUnitReset, 0, 0))
	_, err := i.Do(bg, 0, testUnitReady, nil, nil)
	require.ErrorIs(t, err, scsi.DeviceReset)
	f, err := i.Manage(bg, scsi.QueryAsyncEvent, 0, 0)
	require.NoError(t, err)
	require.Equal(t, scsi.FunctionComplete, f.Response)

	i.Start(&c, func(c *local.Command) { ended <- c.Err })
	<-started
	require.Equal(t, scsi.FunctionComplete, answer(scsi.ColdReset, 0, 0))
	require.ErrorIs(t, <-ended, local.ErrAborted)
	<-i.Done()
	require.ErrorContains(t, i.Err(), "cold reset")
}

// TestManageReturnsEarly leaves a function that takes too long to itself.
func TestManageReturnsEarly(t *testing.T) {
	s := newStuck()
	i := serve(t, s)
	ended := make(chan error, 1)
	c := local.Command{CDB: read16(0, 1), In: make([]byte, 512)}
	i.Start(&c, func(c *local.Command) { ended <- c.Err })
	<-s.started
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := i.Manage(ctx, scsi.AbortTask, 0, c.Tag)
	require.ErrorIs(t, err, context.Canceled)
	close(s.release)
	require.ErrorIs(t, <-ended, local.ErrAborted)
}
