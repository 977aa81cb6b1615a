package mem

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// The abilities of a Store.
var (
	_ backstore.Flusher      = (*Store)(nil)
	_ backstore.FUAWriter    = (*Store)(nil)
	_ backstore.Unmapper     = (*Store)(nil)
	_ backstore.Zeroer       = (*Store)(nil)
	_ backstore.WriteSamer   = (*Store)(nil)
	_ backstore.NowaitIO     = (*Store)(nil)
	_ backstore.Lender       = (*Store)(nil)
	_ backstore.ExtentMapper = (*Store)(nil)
	_ backstore.Notifier     = (*Store)(nil)
)

const stripes = 256

// Store is a Backstore in memory. It is safe for concurrent use; nothing in it blocks.
type Store struct {
	backstore.Broadcaster
	geo    backstore.Geometry // Size is in size
	size   atomic.Int64
	closed atomic.Bool
	pages  *slabs
	table  atomic.Pointer[[]atomic.Pointer[leaf]] // replaced by Resize with growMu held

	growMu sync.Mutex // held to add a leaf and to resize; before stripe and pages.mu
	// stripe locks guard pages by their number: which page is in the slot, its contents and map, and
	// that it lies within size. One stripe at a time is held. Lending does without (see slot).
	stripe [stripes]struct {
		sync.RWMutex
		_ [40]byte // a cache line each
	}
}

// New makes a store of size bytes with the default options. A size that is negative becomes zero,
// one that is not a whole number of blocks is rounded down, and MaxSize is the most.
func New(size int64) *Store {
	s, err := NewWith(min(max(size, 0)&^511, MaxSize), nil)
	if err != nil {
		panic(err) // the defaults are valid for every such size
	}
	return s
}

// NewWith makes a store of size bytes. opts may be nil.
func NewWith(size int64, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	g, err := opts.geometry(size)
	if err != nil {
		return nil, err
	}
	s := &Store{geo: g, pages: newSlabs(opts.Limit, !opts.SmallPages)}
	s.size.Store(size)
	table := make([]atomic.Pointer[leaf], leaves(size))
	s.table.Store(&table)
	return s, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry {
	g := s.geo
	g.Size = s.size.Load()
	return g
}

// Allocated is the number of bytes of memory that hold data, including pages that were written
// meanwhile but are still lent.
func (s *Store) Allocated() int64 { return s.pages.allocated() }

// Readv copies out.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.TryReadv(iov, off)
}

// Writev copies in.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.TryWritev(iov, off)
}

// TryReadv is Readv: it never blocks.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	n, err := s.check(iov, off)
	if err != nil {
		return err
	}
	c := cursor{iov: iov}
	for n > 0 {
		part := pagePart(off, n)
		if err := s.readPart(&c, off, part); err != nil {
			return err
		}
		off, n = off+int64(part), n-int64(part)
	}
	return nil
}

// TryWritev is Writev: it never blocks.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	n, err := s.check(iov, off)
	if err != nil {
		return err
	}
	c := cursor{iov: iov}
	for n > 0 {
		part := pagePart(off, n)
		dst, err := s.lockForWrite(off, part)
		if err != nil {
			return err
		}
		c.copyTo(dst)
		s.unlock(off)
		off, n = off+int64(part), n-int64(part)
	}
	return nil
}

// WritevFUA is Writev: memory has no cache before it.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return s.Writev(ctx, iov, off)
}

// Flush has nothing to do.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	return s.Geometry().CheckRange(off, n)
}

// WriteSame repeats block.
func (s *Store) WriteSame(ctx context.Context, block []byte, off, n int64) error {
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	if len(block) != s.geo.BlockSize {
		return backstore.ErrMisaligned
	}
	if err := s.Geometry().CheckRange(off, n); err != nil {
		return err
	}
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := pagePart(off, n)
		dst, err := s.lockForWrite(off, part)
		if err != nil {
			return err
		}
		for done := copy(dst, block); done < len(dst); done *= 2 {
			copy(dst[done:], dst[:done])
		}
		s.unlock(off)
		off, n = off+int64(part), n-int64(part)
	}
	return nil
}

// Close gives the memory back, except what is lent: that stays until it is released.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.growMu.Lock()
	defer s.growMu.Unlock()
	err := s.freeRange(0, s.size.Load())
	s.pages.close()
	return err
}

func (s *Store) check(iov [][]byte, off int64) (n int64, err error) {
	if s.closed.Load() {
		return 0, backstore.ErrClosed
	}
	return s.Geometry().CheckIO(iov, off)
}

// readPart copies [off, off+n), which lies in one page, to the cursor.
func (s *Store) readPart(c *cursor, off int64, n int) error {
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.RLock()
	defer lock.RUnlock()
	if err := s.inside(off, n); err != nil {
		return err
	}
	if p, ok := s.find(off); ok {
		a := off % pageSize
		c.copyFrom(p.mem[a : a+int64(n)])
	} else {
		c.clear(n)
	}
	return nil
}

// inside checks with a stripe held what check has checked without: Resize and Close change
// the state first and then visit the stripes.
func (s *Store) inside(off int64, n int) error {
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	if off+int64(n) > s.size.Load() {
		return backstore.ErrOutOfRange
	}
	return nil
}

// cursor walks through the caller's memory.
type cursor struct {
	iov [][]byte
	at  int // in iov[0]
}

// next returns at most n bytes of memory and moves past them; iov holds at least one more byte.
func (c *cursor) next(n int) []byte {
	for c.at == len(c.iov[0]) {
		c.iov, c.at = c.iov[1:], 0
	}
	b := c.iov[0][c.at:]
	if len(b) > n {
		b = b[:n]
	}
	c.at += len(b)
	return b
}

func (c *cursor) copyFrom(src []byte) {
	for len(src) > 0 {
		src = src[copy(c.next(len(src)), src):]
	}
}

func (c *cursor) copyTo(dst []byte) {
	for len(dst) > 0 {
		dst = dst[copy(dst, c.next(len(dst))):]
	}
}

func (c *cursor) clear(n int) {
	for n > 0 {
		b := c.next(n)
		clear(b)
		n -= len(b)
	}
}
