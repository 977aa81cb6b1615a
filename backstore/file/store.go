package file

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
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

// Store is a Backstore in a regular file. It is safe for concurrent use.
type Store struct {
	backstore.Broadcaster
	h      handle
	base   osfile.Store
	thick  bool
	mapped atomic.Pointer[mapping] // nil: nothing is lent; set within an operation of base
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
		if err := s.h.Lock(opts.ReadOnly, ErrInUse); err != nil {
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
		if err := s.h.Datasync(); err != nil {
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
	s.mapUpTo(size, g)
	if s.mapped.Load() == nil && size > 0 { // more than there are addresses for
		g.Without |= backstore.CapLendMapped
	}
	if !opts.ReadOnly {
		s.h.OpenApart()
	}
	s.base.Init(&s.h.File, &s.Broadcaster, g)
	return s, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry { return s.base.Geometry() }

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.Readv(ctx, iov, off)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.Writev(ctx, iov, off)
}

// WritevFUA writes with RWF_DSYNC; without that, it writes and flushes.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.WritevFUA(ctx, iov, off)
}

// TryReadv reads what is in the page cache.
func (s *Store) TryReadv(iov [][]byte, off int64) error { return s.base.TryReadv(iov, off) }

// TryWritev writes where the page cache takes the data at once.
func (s *Store) TryWritev(iov [][]byte, off int64) error { return s.base.TryWritev(iov, off) }

// Flush makes the whole file durable, whatever the range.
func (s *Store) Flush(ctx context.Context, off, n int64) error { return s.base.Flush(ctx, off, n) }

// Close closes the file, which also unlocks it. It waits for operations that are under way.
// What is lent stays readable until it is given back, and so does the lock.
func (s *Store) Close() error {
	return s.base.Close(func() error {
		s.dropMapping()
		return s.h.Close()
	})
}
