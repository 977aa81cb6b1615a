package uring

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
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

// maxIdle is how many aligned buffers are kept.
const maxIdle = 8

// Store is a Backstore in a regular file or on a block device, with a ring of its own. It is safe for
// concurrent use.
type Store struct {
	backstore.Broadcaster
	f      *os.File
	fd     int
	geo    backstore.Geometry // Size is in size
	direct bool
	unit   int    // bytes; what direct I/O moves is a multiple
	arena  *Arena // nil: none
	size   atomic.Int64
	sick   atomic.Pointer[error] // the first failure of a flush
	told   atomic.Bool           // EventFault was sent
	q      queue

	// active is held for reading by what uses fd without the ring, and for writing by Close.
	active sync.RWMutex
	closed bool // guarded by active

	buffers struct {
		mu   sync.Mutex
		idle [][]byte // guarded by mu; aligned buffers that wait for their next use
	}
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
	r, err := openRing(depth, s.fd, opts.Arena)
	if err != nil {
		_ = s.closeFile()
		return nil, err
	}
	s.startQueue(r, depth)
	return s, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry {
	g := s.geo
	g.Size = s.size.Load()
	return g
}

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
		return nil, g.ReadOnly && !s.isClosed()
	case g.ReadOnly && op.Kind != backstore.OpRead:
		return backstore.ErrReadOnly, true
	case op.FUA && op.Kind == backstore.OpWrite:
		err = s.health()
		return err, err != nil
	}
	return nil, false
}

func (s *Store) isClosed() bool {
	s.active.RLock()
	defer s.active.RUnlock()
	return s.closed
}

// waited is a Store for somebody who waits: what has completed within Submit is handled there.
type waited struct{ *Store }

// Submit starts an operation and handles what has completed.
func (w waited) Submit(op *backstore.Op) {
	w.Store.Submit(op)
	w.q.flush() // not when some other goroutine comes to it
	w.reap()
}

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
	s.active.Lock()
	defer s.active.Unlock()
	s.closed = true
	return errors.Join(s.q.ring.close(), s.closeFile())
}

// health is the error of the first flush that failed.
func (s *Store) health() error {
	if err := s.sick.Load(); err != nil {
		return *err
	}
	return nil
}

// noteLoss remembers an error after which the page cache no longer tells what was lost.
func (s *Store) noteLoss(err error) error {
	s.sick.CompareAndSwap(nil, &err)
	return s.health()
}

// tellFault announces the first loss. Called without locks.
func (s *Store) tellFault() {
	if err := s.health(); err != nil && !s.told.Swap(true) {
		s.Send(backstore.Event{Kind: backstore.EventFault, Err: err})
	}
}

// getBuffer returns memory that starts at a page, as direct I/O wants it.
func (s *Store) getBuffer() ([]byte, error) {
	p := &s.buffers
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return b, nil
	}
	b, err := unix.Mmap(-1, 0, bounceSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, backstore.ErrBusy
	}
	return b, nil
}

func (s *Store) putBuffer(b []byte) {
	p := &s.buffers
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == maxIdle {
		_ = unix.Munmap(b)
		return
	}
	p.idle = append(p.idle, b)
}

func (s *Store) dropBuffers() {
	p := &s.buffers
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.idle {
		_ = unix.Munmap(b)
	}
	p.idle = nil
}
