package disk

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/unit"
)

// Errors of Insert and Eject. ErrPrevented is that of package unit.
var (
	ErrNotRemovable = errors.New("disk: the medium is not removable")
	ErrOccupied     = errors.New("disk: there is a medium already")
	ErrPrevented    = unit.ErrPrevented
)

// Insert puts a medium into a removable disk that has none and closes the tray: initiators
// are told that the medium may have changed. The disk owns the store from then on. Blocks
// must be at most as large as those of the disk, which stay as they are.
func (d *Disk) Insert(ctx context.Context, store backstore.Backstore) error {
	if !d.opts.Removable {
		return ErrNotRemovable
	}
	if err := d.lockDrive(ctx); err != nil {
		return err
	}
	defer d.unlockDrive()
	if d.med.Load() != nil || d.tray != nil {
		return ErrOccupied
	}
	ab := backstore.Resolve(store)
	m := new(medium)
	if err := m.use(d, store, &ab); err != nil {
		return err
	}
	m.listen()
	d.open.Store(false)
	d.med.Store(m)
	d.unit.Host().Raise(scsi.MediumMayHaveChanged, nil)
	return nil
}

// Eject takes the medium out of a removable disk and returns its store, which is the
// caller's again; nil if there was none. It waits for the commands that use it, and flushes
// its cache. While an initiator prevents the removal it fails with ErrPrevented, and
// initiators are told of the request; force takes the medium out all the same. After an
// error the medium is where it was.
func (d *Disk) Eject(ctx context.Context, force bool) (backstore.Backstore, error) {
	if !d.opts.Removable {
		return nil, ErrNotRemovable
	}
	if !force {
		if err := d.unit.RequestRemoval(); err != nil {
			return nil, err
		}
	}
	if err := d.lockDrive(ctx); err != nil {
		return nil, err
	}
	defer d.unlockDrive()
	if err := d.unload(ctx, true); err != nil {
		return nil, err
	}
	m := d.tray
	if m == nil {
		return nil, nil
	}
	d.tray = nil
	m.stop()
	return m.store, nil
}

// drive is the disk as START STOP UNIT moves it.
type drive Disk

// Flush implements unit.Medium.
func (v *drive) Flush(ctx context.Context) error {
	d := (*Disk)(v)
	m := d.med.Load()
	if m == nil || d.opts.Removable && !m.hold() {
		return d.absent()
	}
	if d.opts.Removable {
		defer m.release()
	}
	if !m.volatile {
		return nil
	}
	return d.flushed(ctx, m.ab.Flusher.Flush(ctx, 0, 0))
}

// Eject implements unit.Medium: the medium stays in the open tray, from where Load gets
// it back.
func (v *drive) Eject(ctx context.Context, flush bool) error {
	d := (*Disk)(v)
	if err := d.lockDrive(ctx); err != nil {
		return scsi.CommandAborted
	}
	defer d.unlockDrive()
	return d.flushed(ctx, d.unload(ctx, flush))
}

// Load implements unit.Medium.
func (v *drive) Load(ctx context.Context) (bool, error) {
	d := (*Disk)(v)
	if err := d.lockDrive(ctx); err != nil {
		return false, scsi.CommandAborted
	}
	defer d.unlockDrive()
	d.open.Store(false)
	if m := d.med.Load(); m != nil {
		return false, m.ready()
	}
	if d.tray == nil {
		return false, scsi.MediumNotPresent
	}
	m := d.tray
	if m.volatile && !d.wce.Load() { // it may have been ejected without a flush, under WCE
		if err := m.ab.Flusher.Flush(ctx, 0, 0); err != nil {
			return false, d.flushed(ctx, err)
		}
	}
	m.refresh()
	m.reopen()
	d.med.Store(m)
	d.tray = nil
	return true, nil
}

// unload moves the medium to the tray and opens it. The drive is locked.
func (d *Disk) unload(ctx context.Context, flush bool) error {
	m := d.med.Load()
	if m == nil {
		d.open.Store(true)
		return nil
	}
	wasOpen := d.open.Swap(true)
	d.med.Store(nil)
	back := func() {
		d.med.Store(m)
		d.open.Store(wasOpen)
	}
	if err := m.drain(ctx); err != nil {
		back()
		return err
	}
	if flush && m.volatile {
		if err := m.ab.Flusher.Flush(ctx, 0, 0); err != nil {
			m.reopen()
			back()
			return err
		}
	}
	d.tray = m
	return nil
}

func (d *Disk) lockDrive(ctx context.Context) error {
	select {
	case d.moving <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Disk) unlockDrive() { <-d.moving }
