package uring

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// The abilities of a Store. What the system or the file lacks is in Geometry.Without.
var (
	_ backstore.Submitter = (*Store)(nil)
	_ backstore.Flusher   = (*Store)(nil)
	_ backstore.FUAWriter = (*Store)(nil)
	_ backstore.Unmapper  = (*Store)(nil)
	_ backstore.Zeroer    = (*Store)(nil)
	_ backstore.NowaitIO  = (*Store)(nil)
	_ backstore.Notifier  = (*Store)(nil)
)

// Store is a Backstore in a regular file or on a block device, with a ring of its own. It is safe for
// concurrent use.
type Store struct {
	backstore.Broadcaster
	file  osfile.File
	base  osfile.Store // of what is done without the ring
	arena *Arena       // nil: none
	q     queue
}

// Open opens a regular file or a block device. Where the system has no io_uring, or forbids it, the error is an
// *UnavailableError, in which errors.Is finds errors.ErrUnsupported. opts may be nil.
func Open(name string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	depth, err := opts.depth()
	if err != nil {
		return nil, err
	}
	s := &Store{arena: opts.Arena}
	if err := s.openFile(name, opts); err != nil {
		return nil, err
	}
	r, err := openRing(depth, [2]int{s.file.FD, s.file.SyncFD}, opts.Arena)
	if err != nil {
		_ = s.closeFile()
		return nil, err
	}
	s.startQueue(r, depth)
	return s, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry { return s.base.Geometry() }

// Submit starts an operation. It does not block: what the kernel has no room for waits in a list.
func (s *Store) Submit(op *backstore.Op) {
	if err, over := s.accept(op); over {
		op.Complete(err)
		return
	}
	s.add(op.Completion())
}

// accept checks an operation. over means that nothing is left to do.
func (s *Store) accept(op *backstore.Op) (err error, over bool) {
	g := s.Geometry()
	n := op.Len
	switch op.Kind {
	case backstore.OpRead, backstore.OpWrite:
		n = backstore.Len(op.Iov)
		err = g.CheckRange(op.Off, n)
	case backstore.OpFlush, backstore.OpZero:
		err = g.CheckRange(op.Off, n)
	case backstore.OpUnmap:
		n = -1
		err = g.CheckExtents(op.Extents)
	default:
		return backstore.ErrMisaligned, true
	}
	switch {
	case err != nil:
		return err, true
	case op.Kind == backstore.OpFlush:
		return nil, s.file.ReadOnly && !s.base.Closed()
	case g.ReadOnly && op.Kind != backstore.OpRead:
		return backstore.ErrReadOnly, true
	case op.Kind == backstore.OpWrite && (op.FUA || s.file.Waits()):
		err = s.base.Err()
		return err, err != nil
	}
	return nil, false
}

// waited is a Store for somebody who waits: what has completed within Submit is handled there.
type waited struct{ *Store }

// Submit starts an operation and handles what has completed.
func (w waited) Submit(op *backstore.Op) {
	w.Store.Submit(op)
	w.q.flush() // not when some other goroutine comes to it
	w.reap()
}

// TryReadv reads what is in the page cache, by a system call of its own: that is cheaper than the ring for
// what needs no waiting.
func (s *Store) TryReadv(iov [][]byte, off int64) error { return s.base.TryReadv(iov, off) }

// TryWritev writes where the page cache takes the data at once.
func (s *Store) TryWritev(iov [][]byte, off int64) error { return s.base.TryWritev(iov, off) }

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.Wait(ctx, waited{s}, backstore.OpRead, iov, off, 0)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.Wait(ctx, waited{s}, backstore.OpWrite, iov, off, 0)
}

// WritevFUA writes with RWF_DSYNC.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return backstore.WaitFUA(ctx, waited{s}, iov, off)
}

// Flush makes the whole file durable, whatever the range.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	return backstore.Wait(ctx, waited{s}, backstore.OpFlush, nil, off, n)
}

// Unmap frees ranges. Parts of a block of the file system are written with zeroes.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	return backstore.WaitUnmap(ctx, waited{s}, extents)
}

// WriteZeroes frees the range if it may, else it zeroes the range and keeps it allocated.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	return backstore.WaitZero(ctx, waited{s}, off, n, mayUnmap)
}

// Close waits for what has been submitted, and closes the ring and the file, which also unlocks it.
func (s *Store) Close() error {
	if !s.stopQueue() {
		return nil
	}
	return s.base.Close(func() error { return errors.Join(s.q.ring.close(), s.closeFile()) })
}
