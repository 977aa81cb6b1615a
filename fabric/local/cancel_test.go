package local_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestCancelWaitsForTheHandler cancels a command whose handler does not listen: Do must
// not return before the handler is through with the caller's memory.
func TestCancelWaitsForTheHandler(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint("direct=", direct), func(t *testing.T) {
			s := newStuck()
			_, tgt := target(t, s)
			i := login(t, tgt, &local.Options{Direct: direct})
			ctx, cancel := context.WithCancel(bg)
			in := make([]byte, 512)
			result := make(chan error, 1)
			go func() {
				_, err := i.Do(ctx, 0, read16(0, 1), nil, in)
				result <- err
			}()
			c := <-s.started
			cancel()
			<-c.Context().Done() // the abort has arrived
			select {
			case err := <-result:
				t.Fatal("Do has returned while the handler runs: ", err)
			default:
			}
			close(s.release)
			require.ErrorIs(t, <-result, context.Canceled)
			if !direct {
				require.Equal(t, make([]byte, 512), in, "an aborted command has no data-in")
			}
		})
	}
}

// TestCancelBeforeAWorker aborts commands that wait for a worker: they end at once.
func TestCancelBeforeAWorker(t *testing.T) {
	s := newStuck()
	e := engine.New(nil)
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	d, err := e.AddDevice("d", s, &engine.DeviceOptions{Workers: 1})
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	i := login(t, tgt, nil)
	first := make(chan error, 1)
	go func() {
		_, err := i.Do(bg, 0, read16(0, 1), nil, make([]byte, 512))
		first <- err
	}()
	<-s.started
	ctx, cancel := context.WithCancel(bg)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := i.Do(ctx, 0, read16(0, 1), nil, make([]byte, 512))
			require.ErrorIs(t, err, context.Canceled)
		})
	}
	cancel()
	wg.Wait()
	close(s.release)
	require.NoError(t, <-first)
	require.NoError(t, e.Close())
}

// TestCancelIsARace cancels commands at any moment; each ends as executed or as
// cancelled, and memory is never touched late.
func TestCancelIsARace(t *testing.T) {
	i := serve(t, blocking(vendor))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			in := make([]byte, 4096)
			for range 300 {
				ctx, cancel := context.WithCancel(bg)
				if rnd.IntN(2) == 0 {
					go cancel()
				}
				lba := rnd.Uint64N(250)
				clear(in)
				_, err := i.Do(ctx, 0, read16(lba, 8), nil, in)
				cancel()
				want := byte(lba)
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
					want = 0
				}
				require.Equal(t, bytes.Repeat([]byte{want}, len(in)), in)
			}
		})
	}
	wg.Wait()
}

// TestManyAborts cancels more commands at once than functions may be in progress.
func TestManyAborts(t *testing.T) {
	e := engine.New(nil)
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	running := make(chan struct{}, 1000)
	d, err := e.AddDevice("d", inline(func(c *scsi.Command) error {
		if c.Op().Op == scsi.OpTestUnitReady {
			return nil
		}
		p, ctx := c.Defer(), c.Context()
		running <- struct{}{}
		go func() {
			<-ctx.Done()
			p.Done(ctx.Err())
		}()
		return nil
	}), &engine.DeviceOptions{QueueDepth: 1000})
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	i := login(t, tgt, nil)
	ctx, cancel := context.WithCancel(bg)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			_, err := i.Do(ctx, 0, read16(0, 1), nil, make([]byte, 512))
			require.ErrorIs(t, err, context.Canceled)
		})
	}
	for range 1000 {
		<-running
	}
	cancel()
	wg.Wait()
	require.NoError(t, e.Close())
}
