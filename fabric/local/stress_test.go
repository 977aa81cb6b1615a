package local_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestStress runs commands of every kind from many goroutines, while logical units come
// and go, are reset, and commands are cancelled. Every command has to end, and every
// buffer to come back.
func TestStress(t *testing.T) {
	e := engine.New(nil)
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	for n, u := range []*unit{inline(vendor), blocking(vendor), inline(deferred)} {
		d, err := e.AddDevice(string(rune('a'+n)), u, nil)
		require.NoError(t, err)
		require.NoError(t, tgt.Map(uint16(n), d, nil))
	}
	tgt.Enable()
	var wg sync.WaitGroup
	var all []*local.Initiator
	for g := range 6 {
		all = append(all, login(t, tgt, &local.Options{Direct: g%2 == 0}))
	}
	for g, i := range all {
		wg.Go(func() { commands(t, i, uint64(g)) })
	}
	wg.Go(func() { // an operator
		d, _ := e.Device("b")
		for range 50 {
			require.NoError(t, tgt.Unmap(bg, 1))
			require.NoError(t, tgt.Map(1, d, nil))
		}
	})
	wg.Wait()
	require.NoError(t, e.Close())
}

// commands sends random commands to random logical units.
func commands(t *testing.T, i *local.Initiator, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	in := make([]byte, 4096)
	ended := make(chan struct{}, 1)
	started := local.Command{CDB: read16(1, 2), In: make([]byte, 1024)}
	for range 400 {
		lun := uint16(rnd.IntN(3))
		var err error
		switch rnd.IntN(8) {
		case 0:
			ctx, cancel := context.WithCancel(bg)
			go cancel()
			_, err = i.Do(ctx, lun, read16(1, 8), nil, in)
			cancel()
		case 1:
			_, err = i.Do(bg, lun, write16(1, 8), in, nil)
		case 2:
			err = i.Run(bg, &local.Command{LUN: lun, CDB: testUnitReady, Attr: scsi.TaskAttr(rnd.IntN(3))})
		case 3:
			started.LUN = lun
			i.Start(&started, func(*local.Command) { ended <- struct{}{} })
			if rnd.IntN(2) == 0 {
				_, merr := i.Manage(bg, scsi.AbortTask, lun, started.Tag)
				require.NoError(t, merr)
			}
			<-ended
			err = started.Err
		case 4:
			if rnd.IntN(20) == 0 {
				_, err = i.Manage(bg, scsi.LogicalUnitReset, lun, 0)
			}
		default:
			_, err = i.Do(bg, lun, read16(1, 8), nil, in)
		}
		require.True(t, expected(err), "%v", err)
	}
}

// expected tells whether a command may end so while others reset, unmap and cancel.
func expected(err error) bool {
	return err == nil || local.IsUnitAttention(err) || errors.Is(err, context.Canceled) || errors.Is(err, local.ErrAborted) ||
		errors.Is(err, scsi.LogicalUnitNotSupported) || errors.Is(err, scsi.ErrTaskSetFull)
}

// TestPanickingHandler ends commands of a handler that panics, also after it has deferred.
func TestPanickingHandler(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, direct := range []bool{false, true} {
			e := engine.New(nil)
			deferred := make(chan scsi.Pending, 1)
			d, err := e.AddDevice("d", blocking(func(c *scsi.Command) error {
				if c.CDB()[0] != 0xC0 {
					return nil
				}
				if late {
					deferred <- c.Defer()
				}
				panic("a bug")
			}), nil)
			require.NoError(t, err)
			tgt, err := e.AddTarget("t", nil)
			require.NoError(t, err)
			require.NoError(t, tgt.Map(0, d, nil))
			tgt.Enable()
			i := login(t, tgt, &local.Options{Direct: direct})
			_, err = i.Do(bg, 0, []byte{0xC0, 0}, nil, make([]byte, 512))
			require.ErrorIs(t, err, scsi.InternalTargetFailure)
			if late {
				(<-deferred).Done(nil) // too late for the command; the buffer is free now
			}
			_, err = i.Do(bg, 0, testUnitReady, nil, nil)
			require.ErrorIs(t, err, scsi.LogicalUnitFailure)
			require.NoError(t, i.Close())
			require.NoError(t, e.Close())
		}
	}
}
