package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi/disk"
)

// drive is a lun as its operator sees it.
type drive struct {
	mu  sync.Mutex
	out backstore.Backstore // guarded by mu; the medium that the operator holds
}

var (
	errNoMedium  = errors.New("there is no medium in the drive")
	errNoResize  = errors.New("this kind of disk cannot change its size")
	errHasMedium = errors.New("there is a medium in the drive")
)

// eject takes the medium out.
func (l *lun) eject(ctx context.Context, force bool) error {
	l.drive.mu.Lock()
	defer l.drive.mu.Unlock()
	st, err := l.disk.Eject(ctx, force)
	if err != nil {
		return err
	}
	if st == nil {
		return errNoMedium
	}
	l.drive.out = st
	return nil
}

// insert puts it back: from the operator's hands, or from the tray, where an initiator
// has left it.
func (l *lun) insert(ctx context.Context) error {
	l.drive.mu.Lock()
	defer l.drive.mu.Unlock()
	if !l.removable {
		return disk.ErrNotRemovable
	}
	if l.drive.out == nil {
		if l.disk.Blocks() > 0 {
			return errHasMedium
		}
		st, err := l.disk.Eject(ctx, true)
		if err != nil || st == nil {
			return errors.Join(err, errNoMedium)
		}
		l.drive.out = st
	}
	if err := l.disk.Insert(ctx, l.drive.out); err != nil {
		return err
	}
	l.drive.out = nil
	return nil
}

// resize changes the size of the store; initiators are told.
func (l *lun) resize(size int64) error {
	r, ok := l.store.(interface{ Resize(int64) error })
	if !ok {
		return errNoResize
	}
	if size%int64(l.block) != 0 {
		return fmt.Errorf("size %d: a multiple of the block size %d is allowed", size, l.block)
	}
	return r.Resize(size)
}

// close closes a medium that is not in the drive; the disk closes the others.
func (l *lun) close() error {
	l.drive.mu.Lock()
	defer l.drive.mu.Unlock()
	err := l.free()
	if l.drive.out != nil {
		err = errors.Join(err, l.drive.out.Close())
		l.drive.out = nil
	}
	return err
}
