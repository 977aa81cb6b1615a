package null

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// The abilities of a Store.
var (
	_ backstore.Flusher    = (*Store)(nil)
	_ backstore.FUAWriter  = (*Store)(nil)
	_ backstore.Unmapper   = (*Store)(nil)
	_ backstore.Zeroer     = (*Store)(nil)
	_ backstore.WriteSamer = (*Store)(nil)
	_ backstore.NowaitIO   = (*Store)(nil)
	_ backstore.Lender     = (*Store)(nil)
	_ backstore.Verifier   = (*Store)(nil)
)

// MaxSize is the largest size of a store in bytes.
const MaxSize = 1 << 62

// Options describe a store. The zero value is what New uses.
type Options struct {
	BlockSize     int  // bytes; 0: 512
	PhysBlockSize int  // bytes; 0: 4096, or BlockSize if that is more
	Thick         bool // do not offer Unmap
	Volatile      bool // announce a write cache; flushing has no effect
	ReadOnly      bool // refuse writes

	// Without hides abilities, for comparing a native one with its emulation.
	Without backstore.Cap
}

// Store is a Backstore that keeps nothing. It is safe for concurrent use.
type Store struct {
	geo    backstore.Geometry
	closed atomic.Bool
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
	g := backstore.Geometry{
		Size:          size,
		BlockSize:     opts.BlockSize,
		PhysBlockSize: opts.PhysBlockSize,
		ReadOnly:      opts.ReadOnly,
		Volatile:      opts.Volatile,
		Without:       opts.Without,
	}
	if g.BlockSize == 0 {
		g.BlockSize = 512
	}
	if g.PhysBlockSize == 0 {
		g.PhysBlockSize = max(4096, g.BlockSize)
	}
	if opts.Thick {
		g.Without |= backstore.CapUnmap
	}
	if size > MaxSize {
		return nil, fmt.Errorf("null: size %d is more than %d", size, int64(MaxSize))
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return &Store{geo: g}, nil
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry { return s.geo }

// Readv clears iov.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.TryReadv(iov, off)
}

// Writev does nothing.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return s.modify(ctx, off, backstore.Len(iov))
}

// WritevFUA does nothing.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return s.modify(ctx, off, backstore.Len(iov))
}

// TryReadv clears iov.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	if err := s.check(off, backstore.Len(iov)); err != nil {
		return err
	}
	for _, b := range iov {
		clear(b)
	}
	return nil
}

// TryWritev does nothing.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	return s.modify(context.Background(), off, backstore.Len(iov))
}

// Flush does nothing.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.check(off, n)
}

// Unmap does nothing.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	for _, e := range extents {
		if err := s.modify(ctx, e.Off, e.Len); err != nil {
			return err
		}
	}
	return nil
}

// WriteZeroes does nothing.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, _ bool) error {
	return s.modify(ctx, off, n)
}

// WriteSame does nothing.
func (s *Store) WriteSame(ctx context.Context, block []byte, off, n int64) error {
	if len(block) != s.geo.BlockSize {
		return backstore.ErrMisaligned
	}
	return s.modify(ctx, off, n)
}

// Verify does nothing.
func (s *Store) Verify(ctx context.Context, off, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.check(off, n)
}

// zeroes is lent for every read. Nobody writes to it.
var zeroes [64 << 10]byte

// Lend lends the same zeroes over and over, at most 64 KiB in a slice and 64 MiB in a call.
func (s *Store) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if n > 64<<20 || s.check(off, n) != nil {
		return dst, nil, false
	}
	for n > 0 {
		part := min(n, int64(len(zeroes)))
		dst = append(dst, zeroes[:part:part])
		n -= part
	}
	return dst, releaseNothing, true
}

// Close makes later I/O fail.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

func (s *Store) check(off, n int64) error {
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	return s.geo.CheckRange(off, n)
}

func (s *Store) modify(ctx context.Context, off, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.check(off, n); err != nil {
		return err
	}
	if s.geo.ReadOnly {
		return backstore.ErrReadOnly
	}
	return nil
}

func releaseNothing() {}
