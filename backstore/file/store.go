package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// The abilities of a Store. What the system or the file system lacks is in Geometry.Without.
var (
	_ backstore.Flusher      = (*Store)(nil)
	_ backstore.FUAWriter    = (*Store)(nil)
	_ backstore.Unmapper     = (*Store)(nil)
	_ backstore.Zeroer       = (*Store)(nil)
	_ backstore.NowaitIO     = (*Store)(nil)
	_ backstore.MapLender    = (*Store)(nil)
	_ backstore.ExtentMapper = (*Store)(nil)
	_ backstore.Notifier     = (*Store)(nil)
)

// ioKind is a direction and its flags.
type ioKind uint8

const (
	ioRead ioKind = iota
	ioWrite
	ioWriteSync // durable when it returns
)

// Store is a Backstore in a regular file. It is safe for concurrent use.
type Store struct {
	backstore.Broadcaster
	h     handle
	geo   backstore.Geometry // Size is in size
	thick bool
	size  atomic.Int64
	sick  atomic.Pointer[error] // the first failure of a flush

	mapped atomic.Pointer[mapping] // nil: nothing is lent; set with active held

	syncing sync.Mutex    // one fdatasync at a time; see flush
	begun   atomic.Uint64 // fdatasyncs that have begun
	covered uint64        // guarded by syncing; the last one of them that succeeded
	told    atomic.Bool   // EventFault was sent

	// active is held for reading by every operation on the file, and for writing by Close and by
	// Resize when it cuts the file: a write after that would grow it again, or hit a file that
	// has got the descriptor since.
	active sync.RWMutex
	closed bool       // guarded by active
	resize sync.Mutex // one Resize or Refresh at a time; before active
}

// Open opens the file name. opts may be nil.
func Open(name string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	g, err := opts.geometry()
	if err != nil {
		return nil, err
	}
	f, created, err := openFile(name, opts)
	if err != nil {
		return nil, err
	}
	s, err := setUp(f, g, opts)
	if err != nil {
		_ = f.Close()
		if created {
			_ = os.Remove(name)
		}
		return nil, err
	}
	if created {
		if err := syncDir(name); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

// New makes a store of a file that is open, which it closes in the end, also when it fails. The
// flags that the file was opened with must fit opts; Create is not looked at. opts may be nil.
func New(f *os.File, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	o := *opts
	o.Create = false
	g, err := o.geometry()
	if err == nil {
		var s *Store
		if s, err = setUp(f, g, &o); err == nil {
			return s, nil
		}
	}
	_ = f.Close()
	return nil, err
}

// openFile opens or creates the file and tells which.
func openFile(name string, opts *Options) (f *os.File, created bool, err error) {
	flags := os.O_RDWR
	if opts.ReadOnly {
		flags = os.O_RDONLY
	}
	extra, err := openFlags(opts)
	if err != nil {
		return nil, false, err
	}
	flags |= extra
	if opts.Create {
		f, err = os.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil || !os.IsExist(err) {
			return f, err == nil, err
		}
	}
	f, err = os.OpenFile(name, flags, 0)
	return f, false, err
}

// setUp locks and sizes the file and finds out what can be done with it.
func setUp(f *os.File, g backstore.Geometry, opts *Options) (*Store, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("file: %s is not a regular file", f.Name())
	}
	s := &Store{thick: opts.Thick}
	if err := s.h.init(f, g.BlockSize, opts); err != nil {
		return nil, err
	}
	if !opts.NoLock {
		if err := s.h.lock(opts.ReadOnly); err != nil {
			return nil, err
		}
		if st, err = f.Stat(); err != nil { // now nobody else changes it
			return nil, err
		}
	}
	size, err := opts.fit(st.Size(), g.BlockSize)
	if err != nil {
		return nil, err
	}
	changed := size > st.Size()
	if changed {
		if err := s.h.truncate(size); err != nil {
			return nil, fmt.Errorf("file: extending %s: %w", f.Name(), err)
		}
	}
	if opts.Thick && !opts.ReadOnly && size > 0 {
		changed = true
		if err := s.h.allocate(0, size); err != nil {
			return nil, fmt.Errorf("file: allocating %s: %w", f.Name(), err)
		}
	}
	if changed {
		if err := s.h.sync(); err != nil {
			return nil, fmt.Errorf("file: flushing %s: %w", f.Name(), err)
		}
	}
	if g.DiscardUnit = s.h.unit; g.DiscardUnit%g.BlockSize != 0 {
		g.DiscardUnit = 0
	}
	g.Size = size
	without, err := s.h.probe(g)
	if err != nil {
		return nil, err
	}
	g.Without |= without
	s.geo = g
	s.size.Store(size)
	s.mapUpTo(size)
	return s, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry {
	g := s.geo
	g.Size = s.size.Load()
	return g
}

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.begin(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.active.RUnlock()
	return s.h.transfer(ctx, ioRead, iov, off)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.active.RUnlock()
	return s.h.transfer(ctx, ioWrite, iov, off)
}

// WritevFUA writes with RWF_DSYNC; without that, it writes and flushes.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := s.health(); err != nil {
		return err
	}
	switch err := s.h.transfer(ctx, ioWriteSync, iov, off); {
	case err == nil:
		return nil
	case losesData(err):
		return s.noteLoss(err)
	case !isUnsupported(err):
		return err
	}
	if err := s.h.transfer(ctx, ioWrite, iov, off); err != nil {
		return err
	}
	return s.flush()
}

// TryReadv reads what is in the page cache.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.active.RUnlock()
	if err := s.check(off, backstore.Len(iov)); err != nil {
		return err
	}
	return s.h.tryRead(iov, off)
}

// TryWritev writes where the page cache takes the data at once.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.active.RUnlock()
	if err := s.check(off, backstore.Len(iov)); err != nil {
		return err
	}
	if s.geo.ReadOnly {
		return backstore.ErrReadOnly
	}
	return s.h.tryWrite(iov, off)
}

// Flush makes the whole file durable, whatever the range.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	if err := s.begin(off, n); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.geo.ReadOnly {
		return nil
	}
	return s.flush()
}

// Close closes the file, which also unlocks it. It waits for operations that are under way.
// What is lent stays readable until it is given back, and so does the lock.
func (s *Store) Close() error {
	s.active.Lock()
	defer s.active.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.dropMapping()
	return s.h.close()
}

// flush is called with active held. The system tells an error of write-back to one caller
// only: of two that ask at once, the other one succeeds although its data may be what was
// lost. So one asks at a time, and who waits is served by a call that began after it came.
func (s *Store) flush() error {
	before := s.begun.Load()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err := s.health(); err != nil {
		return err
	}
	if s.covered > before {
		return nil
	}
	n := s.begun.Add(1)
	if err := s.h.sync(); err != nil {
		return s.noteLoss(err)
	}
	s.covered = n
	return s.health() // a durable write may have taken our error
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

// begin takes active for reading and checks a range. On an error nothing is held.
func (s *Store) begin(off, n int64) error {
	s.active.RLock()
	if err := s.check(off, n); err != nil {
		s.active.RUnlock()
		return err
	}
	return nil
}

func (s *Store) beginWrite(off, n int64) error {
	if err := s.begin(off, n); err != nil {
		return err
	}
	if s.geo.ReadOnly {
		s.active.RUnlock()
		return backstore.ErrReadOnly
	}
	return nil
}

// check is called with active held.
func (s *Store) check(off, n int64) error {
	if s.closed {
		return backstore.ErrClosed
	}
	return s.Geometry().CheckRange(off, n)
}

func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
