package disk_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/scsi/sbc"
)

// lateBlocks is how many blocks the commands of TestAbortedTouchesNothingLater change.
const lateBlocks = 16

// lateCommands change the first blocks of a disk whose store has no cache of its own to write
// around: the steps after the first one are the disk's.
var lateCommands = map[string]func() (cdb, out []byte){
	"write":      func() ([]byte, []byte) { return cdb(scsi.OpWrite10, 0, lateBlocks), pattern(1, lateBlocks*512) },
	"write same": func() ([]byte, []byte) { return cdb(scsi.OpWriteSame10, 0, lateBlocks), pattern(1, 512) },
	"write and verify": func() ([]byte, []byte) {
		return cdb(scsi.OpWriteVerify10, 0, lateBlocks, 2), pattern(1, lateBlocks*512)
	},
	"compare and write": func() ([]byte, []byte) {
		return cdb(scsi.OpCompareAndWrite, 0, lateBlocks), append(make([]byte, lateBlocks*512), pattern(1, lateBlocks*512)...)
	},
	"unmap": func() ([]byte, []byte) {
		list := sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 0, Blocks: 4}, {LBA: 8, Blocks: 4}})
		return cdb(scsi.OpUnmap, 0, uint32(len(list))), list
	},
}

// lateEnds end the command of initiator a, by a itself or by b.
var lateEnds = map[string]func(t *testing.T, a, b *local.Initiator, tag uint64) error{
	"abort task":     func(t *testing.T, a, _ *local.Initiator, tag uint64) error { return manage(t, a, scsi.AbortTask, tag) },
	"abort task set": func(t *testing.T, a, _ *local.Initiator, _ uint64) error { return manage(t, a, scsi.AbortTaskSet, 0) },
	"clear task set": func(t *testing.T, a, _ *local.Initiator, _ uint64) error { return manage(t, a, scsi.ClearTaskSet, 0) },
	"reset": func(t *testing.T, _, b *local.Initiator, _ uint64) error {
		return manage(t, b, scsi.LogicalUnitReset, 0)
	},
	"target reset": func(t *testing.T, _, b *local.Initiator, _ uint64) error { return manage(t, b, scsi.TargetReset, 0) },
	"nexus reset":  func(t *testing.T, a, _ *local.Initiator, _ uint64) error { return manage(t, a, scsi.NexusReset, 0) },
	"close":        func(_ *testing.T, a, _ *local.Initiator, _ uint64) error { return a.Close() },
}

func manage(t *testing.T, i *local.Initiator, fn scsi.TaskFunction, tag uint64) error {
	var f fabric.Task
	f, err := i.Manage(t.Context(), fn, 0, tag)
	if err == nil && f.Response != scsi.FunctionComplete {
		t.Errorf("%v: %v", fn, f.Response)
	}
	return err
}

// TestAbortedTouchesNothingLater has each step of a command hang in the store, ends the command, and
// lets the step end well or badly: nobody hears that the command is over before it is, and the store
// is left alone from then on.
func TestAbortedTouchesNothingLater(t *testing.T) {
	for name, command := range lateCommands {
		for how, end := range lateEnds {
			for step := 1; ; step++ {
				reached := false
				for _, async := range []bool{false, true} {
					for _, err := range []error{nil, faultstore.ErrInjected} {
						rule := faultstore.Rule{Ops: faultstore.OpAny, From: step, Times: 1, Stick: true, Err: err}
						t.Run(fmt.Sprintf("%s/%s/%v/async=%t", name, how, rule, async), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								l := newLate(t, async)
								reached = l.run(t, command, end, rule) || reached
								l.close(t)
							})
						})
					}
				}
				if !reached {
					require.Greater(t, step, 1, "%s has no step", name)
					break
				}
			}
		}
	}
}

// late is a disk on a store that hangs, with two initiators.
type late struct {
	eng   *engine.Engine
	inner *mem.Store
	store *faultstore.Store
	a, b  *local.Initiator
	over  atomic.Bool  // the command has been said to be over
	calls atomic.Int64 // that began or ended since
}

func newLate(t *testing.T, async bool) *late {
	l := &late{eng: engine.New(nil), inner: newMem(t, &mem.Options{Volatile: true})}
	l.store = faultstore.New(l.inner, &faultstore.Options{
		Hide: backstore.CapNowait | backstore.CapFUA | backstore.CapWriteSame | backstore.CapZero | backstore.CapLend,
		Observe: func(faultstore.Call) {
			if l.over.Load() {
				l.calls.Add(1)
			}
		},
	})
	var below backstore.Backstore = l.store
	if async {
		below = faultstore.NewAsync(l.store)
	}
	d, err := l.eng.AddDevice("disk", disk.New(below, &disk.Options{WriteThrough: true}), nil)
	require.NoError(t, err)
	tgt, err := l.eng.AddTarget("late", nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	for _, i := range []**local.Initiator{&l.a, &l.b} {
		*i, err = local.Login(t.Context(), tgt, nil)
		require.NoError(t, err)
		require.NoError(t, (*i).WaitReady(t.Context(), 0))
	}
	return l
}

// run reports whether the command came to the step at which the rule holds it.
func (l *late) run(t *testing.T, command func() (cdb, out []byte), end func(*testing.T, *local.Initiator, *local.Initiator, uint64) error, rule faultstore.Rule) bool {
	l.store.SetRules(rule)
	var c local.Command
	var ended atomic.Bool
	c.CDB, c.Out = command()
	l.a.Start(&c, func(*local.Command) { ended.Store(true) })
	synctest.Wait()
	if l.store.Stuck() == 0 {
		require.True(t, ended.Load())
		return false
	}
	done := make(chan error, 1)
	go func() {
		err := end(t, l.a, l.b, c.Tag)
		l.over.Store(true)
		done <- err
	}()
	synctest.Wait()
	require.False(t, l.over.Load(), "an answer while the store has the command")
	require.False(t, ended.Load(), "the caller's memory is given back while the store has it")
	require.Equal(t, 1, l.store.Release(-1))
	require.NoError(t, <-done)
	synctest.Wait()
	require.True(t, ended.Load())
	require.Zero(t, l.calls.Load(), "the store is used after the answer")
	return true
}

// close writes other data over that of the command, ends everything, and looks whether it stays.
func (l *late) close(t *testing.T) {
	l.over.Store(false)
	l.store.SetRules()
	require.NoError(t, l.b.WaitReady(t.Context(), 0))
	want := pattern(2, lateBlocks*512)
	_, err := l.b.Do(t.Context(), 0, cdb(scsi.OpWrite10, 0, lateBlocks), want, nil)
	require.NoError(t, err)
	synctest.Wait()
	require.Equal(t, want, head(t, l.inner, len(want)))
	require.NoError(t, l.eng.Close())
}
