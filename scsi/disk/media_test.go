package disk_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

var (
	tur     = []byte{0, 0, 0, 0, 0, 0}
	eject   = []byte{0x1B, 0, 0, 0, 2, 0}
	load    = []byte{0x1B, 0, 0, 0, 3, 0}
	prevent = []byte{0x1E, 0, 0, 0, 1, 0}
	allow   = []byte{0x1E, 0, 0, 0, 0, 0}
)

// TestEject moves a medium out and in with START STOP UNIT.
func TestEject(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, &disk.Options{Removable: true})
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512)))
	for _, immed := range []byte{0, 1} {
		eject[1], load[1] = immed, immed
		requireGood(t, r.Do(eject, nil))
		requireGood(t, r.Do(eject, nil)) // it is out already
		requireSense(t, scsi.MediumTrayOpen, r.Do(tur, nil))
		for name, cmd := range everyCommand() {
			switch name {
			case "STANDBY", "EJECT", "MODE SELECT WCE=0":
				continue
			}
			t.Run(name, func(t *testing.T) { requireSense(t, scsi.MediumTrayOpen, r.Do(cmd.cdb, cmd.out)) })
		}
		requireSense(t, scsi.MediumTrayOpen, r.Do(cdb(scsi.OpReadCapacity10, 0, 0), nil))
		requireSense(t, scsi.MediumTrayOpen, r.Do(actionCDB(scsi.ActionReadCapacity16, 0, 32), nil))
		sense, err := scsi.ParseSense(r.Do([]byte{3, 0, 0, 0, 252, 0}, nil).Data)
		require.NoError(t, err)
		require.Equal(t, scsi.MediumTrayOpen, sense.Sense)
		requireGood(t, r.Do([]byte{0x12, 0, 0, 0, 255, 0}, nil))
		require.Zero(t, r.Do([]byte{0x1A, 0, 0x3F, 0, 255, 0}, nil).Data[3], "no block descriptor without a medium")
		require.Empty(t, r.Host.Raised())
		requireGood(t, r.Do(load, nil))
		require.Equal(t, []scsitest.Raised{{Sense: scsi.MediumMayHaveChanged, Except: r.Nexus}}, r.Host.Raised())
		requireGood(t, r.Do(load, nil))
		require.Empty(t, r.Host.Raised())
		requireGood(t, r.Do(tur, nil))
		require.Equal(t, pattern(1, 512), r.Do(cdb(scsi.OpRead10, 0, 1), nil).Data)
	}
}

// TestFixed: nothing is ejected from a disk that is not removable.
func TestFixed(t *testing.T) {
	r := newRecorder(t, newMem(t, nil), nil)
	requireField(t, 4, 1, r.Do(eject, nil))
	requireField(t, 4, 1, r.Do(load, nil))
	requireSense(t, scsi.InvalidOpcode, r.Do(prevent, nil))
	for i := range 16 {
		requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, byte(i << 4), 0}, nil)) // every POWER CONDITION
	}
	requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, 1, 0}, nil))
	requireGood(t, r.Do(tur, nil))
	d := r.Handler.(*disk.Disk)
	_, err := d.Eject(t.Context(), true)
	require.ErrorIs(t, err, disk.ErrNotRemovable)
	require.ErrorIs(t, d.Insert(t.Context(), newMem(t, nil)), disk.ErrNotRemovable)
}

// TestPrevent: each nexus prevents for itself, and its end or a reset ends that.
func TestPrevent(t *testing.T) {
	r := newRecorder(t, newMem(t, nil), &disk.Options{Removable: true})
	other, err := r.On(scsitest.NewNexus("iqn.2026-01.com.example:other"))
	require.NoError(t, err)
	d := r.Handler.(*disk.Disk)
	for name, end := range map[string]func(){
		"allow":  func() { requireGood(t, other.Do(allow, nil)) },
		"detach": func() { other.Detach() },
		"reset":  func() { r.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			requireGood(t, r.Do(prevent, nil))
			requireGood(t, other.Do(prevent, nil))
			requireGood(t, other.Do(prevent, nil)) // a bit, not a count
			requireGood(t, r.Do(allow, nil))
			requireSense(t, scsi.RemovalPrevented, r.Do(eject, nil))
			requireGood(t, r.Do(tur, nil))
			r.Host.Raised()
			_, err := d.Eject(t.Context(), false)
			require.ErrorIs(t, err, disk.ErrPrevented)
			require.Equal(t, []scsitest.Raised{{Sense: scsi.OperatorRemovalRequest}}, r.Host.Raised())
			end()
			requireGood(t, r.Do(eject, nil))
			requireGood(t, r.Do(load, nil))
		})
	}
	// What is prevented with an open tray is to close it.
	requireGood(t, r.Do(eject, nil))
	requireGood(t, r.Do(prevent, nil))
	requireSense(t, scsi.RemovalPrevented, r.Do(load, nil))
	requireGood(t, r.Do(allow, nil))
	requireGood(t, r.Do(load, nil))
	requireField(t, 4, 1, r.Do([]byte{0x1E, 0, 0, 0, 2, 0}, nil))
	requireField(t, 4, 1, r.Do([]byte{0x1E, 0, 0, 0, 3, 0}, nil))
}

// TestSwap replaces the medium from the outside.
func TestSwap(t *testing.T) {
	ctx := t.Context()
	d := disk.New(nil, &disk.Options{Removable: true})
	r, err := scsitest.New(d, nil)
	require.NoError(t, err)
	requireSense(t, scsi.MediumNotPresent, r.Do(tur, nil))
	requireSense(t, scsi.MediumNotPresent, r.Do(load, nil))
	first, second := newMem(t, nil), newMem(t, &mem.Options{Thick: true, Volatile: true, Without: backstore.CapZero | backstore.CapWriteSame})
	fill(t, first, pattern(1, 512), 0)
	fill(t, second, pattern(2, 16*512), 0)
	require.NoError(t, d.Insert(ctx, first))
	require.Equal(t, []scsitest.Raised{{Sense: scsi.MediumMayHaveChanged}}, r.Host.Raised())
	require.ErrorIs(t, d.Insert(ctx, second), disk.ErrOccupied)
	require.Equal(t, pattern(1, 512), r.Do(cdb(scsi.OpRead10, 0, 1), nil).Data)
	require.Equal(t, uint64(blocks), d.Blocks())
	requireGood(t, r.Do(prevent, nil))
	out, err := d.Eject(ctx, true)
	require.NoError(t, err)
	require.Same(t, first, out)
	requireSense(t, scsi.MediumTrayOpen, r.Do(tur, nil))
	requireSense(t, scsi.RemovalPrevented, r.Do(load, nil))
	requireGood(t, r.Do(allow, nil))
	requireSense(t, scsi.MediumNotPresent, r.Do(load, nil))
	requireSense(t, scsi.MediumNotPresent, r.Do(tur, nil))
	require.NoError(t, d.Insert(ctx, second))
	require.Equal(t, pattern(2, 512), r.Do(cdb(scsi.OpRead10, 0, 1), nil).Data)
	// The unit has said that it is thin, and keeps its word on a medium that is not.
	requireGood(t, r.Do(cdb(scsi.OpUnmap, 0, 24), []byte{0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}))
	require.Equal(t, make([]byte, 9*512), r.Do(cdb(scsi.OpRead10, 0, 9), nil).Data)
	// An initiator puts it into the tray, from where the operator takes it.
	requireGood(t, r.Do(eject, nil))
	require.ErrorIs(t, d.Insert(ctx, first), disk.ErrOccupied)
	out, err = d.Eject(ctx, false)
	require.NoError(t, err)
	require.Same(t, second, out)
	out, err = d.Eject(ctx, false)
	require.NoError(t, err)
	require.Nil(t, out)
	large, err := mem.NewWith(1<<20, &mem.Options{BlockSize: 4096})
	require.NoError(t, err)
	require.Error(t, d.Insert(ctx, large), "blocks larger than those of the disk")
	require.NoError(t, r.Close())
	require.NoError(t, first.Writev(ctx, [][]byte{make([]byte, 512)}, 0), "the disk has closed a store that it does not own any more")
	require.NoError(t, second.Flush(ctx, 0, 0))
}

// TestEjectWaits: the medium leaves when the last command has, and no command finds it
// in between.
func TestEjectWaits(t *testing.T) {
	for _, submit := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := newSubmitter(newMem(t, nil))
			if !submit {
				store.Hide |= backstore.CapSubmit
			}
			goOn := make(chan struct{})
			store.set(func(call string) error { <-goOn; return nil })
			r := newRecorder(t, store.or(submit), &disk.Options{Removable: true})
			d := r.Handler.(*disk.Disk)
			write := r.Start(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512))
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			given := make(chan error, 1)
			go func() { _, err := d.Eject(ctx, false); given <- err }()
			synctest.Wait()
			requireSense(t, scsi.MediumTrayOpen, r.Do(tur, nil))
			requireSense(t, scsi.MediumTrayOpen, r.Do(cdb(scsi.OpRead10, 0, 1), nil))
			cancel() // it stays where it was
			require.ErrorIs(t, <-given, context.Canceled)
			requireGood(t, r.Do(tur, nil))
			ejected := r.Start(eject, nil)
			synctest.Wait()
			require.False(t, ejected.Ended())
			close(goOn)
			requireGood(t, write.Wait())
			requireGood(t, ejected.Wait())
			requireGood(t, r.Do(load, nil))
			require.Equal(t, pattern(1, 512), r.Do(cdb(scsi.OpRead10, 0, 1), nil).Data)
		})
	}
}

// TestStoreEvents: what a store announces reaches the initiators, once, while it is
// loaded.
func TestStoreEvents(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, &disk.Options{Removable: true})
	for _, tt := range []struct {
		event backstore.Event
		ua    scsi.Sense
		ready scsi.Sense
	}{
		{backstore.Event{Kind: backstore.EventCapacity}, scsi.CapacityChanged, 0},
		{backstore.Event{Kind: backstore.EventChanged}, scsi.ModeParametersChanged, 0},
		{backstore.Event{Kind: backstore.EventEjected}, 0, scsi.MediumNotPresent},
		{backstore.Event{Kind: backstore.EventInserted}, scsi.MediumMayHaveChanged, 0},
		{backstore.Event{Kind: backstore.EventFault, Err: errors.New("gone")}, 0, scsi.LogicalUnitFailure},
		{backstore.Event{Kind: backstore.EventHealthy}, 0, 0},
	} {
		store.Send(tt.event)
		raised := r.Host.Raised()
		if tt.ua == 0 {
			require.Empty(t, raised)
		} else {
			require.Equal(t, []scsitest.Raised{{Sense: tt.ua}}, raised)
		}
		require.Equal(t, tt.ready, r.Do(tur, nil).Code(), "%v", tt.event.Kind)
	}
	requireGood(t, r.Do(eject, nil))
	store.Send(backstore.Event{Kind: backstore.EventCapacity})
	require.Empty(t, r.Host.Raised(), "nobody knows the medium in the tray")
}

// listened is a store that counts who listens to it.
type listened struct {
	*hooked
	listeners int
}

func (l *listened) Notify(fn func(backstore.Event)) (stop func()) {
	l.listeners++
	inner := l.hooked.Notify(fn)
	return func() { l.listeners--; inner() }
}

// TestListens: a disk listens to the media that it owns.
func TestListens(t *testing.T) {
	store := &listened{hooked: newHooked(newMem(t, nil), 0)}
	d := disk.New(store, &disk.Options{Removable: true})
	require.Equal(t, 1, store.listeners)
	_, err := d.Eject(t.Context(), false)
	require.NoError(t, err)
	require.Zero(t, store.listeners)
	require.NoError(t, d.Insert(t.Context(), store))
	require.Equal(t, 1, store.listeners)
	require.NoError(t, d.Close())
	require.Zero(t, store.listeners)
}
