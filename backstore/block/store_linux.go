package block

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// The abilities of a Store. What the device lacks is in Geometry.Without.
var (
	_ backstore.Flusher   = (*Store)(nil)
	_ backstore.FUAWriter = (*Store)(nil)
	_ backstore.Unmapper  = (*Store)(nil)
	_ backstore.Zeroer    = (*Store)(nil)
	_ backstore.NowaitIO  = (*Store)(nil)
	_ backstore.Notifier  = (*Store)(nil)
)

// Store is a Backstore on a block device. It is safe for concurrent use.
type Store struct {
	backstore.Broadcaster
	d        *device
	base     osfile.Store
	discards bool  // unmap by BLKDISCARD, not by writing zeroes
	unit     units // of discarding
}

// Open opens the block device name. opts may be nil.
func Open(name string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	d, err := openDevice(name, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{d: d}
	if err := s.setUp(opts); err != nil {
		_ = d.Close()
		return nil, err
	}
	return s, nil
}

// setUp fills in the geometry.
func (s *Store) setUp(opts *Options) error {
	d := s.d
	d.BlockSize = d.Unit
	if n := opts.BlockSize; n != 0 {
		if n < d.Unit || n > backstore.MaxBlockSize || n&(n-1) != 0 {
			return fmt.Errorf("block: %s has blocks of %d bytes, which cannot make blocks of %d", d.F.Name(), d.Unit, n)
		}
		d.BlockSize = n
	}
	size, err := d.size()
	if err != nil {
		return err
	}
	g := backstore.Geometry{
		Size:       size,
		BlockSize:  d.BlockSize,
		Rotational: d.rotational(),
		Volatile:   !opts.WriteThrough && (opts.Buffered || !d.queue.WriteThrough()),
		ReadOnly:   d.Protected(),
		Without:    opts.Without,
	}
	if n, err := ioctlGet[uint32](d.FD, unix.BLKPBSZGET); err == nil && n&(n-1) == 0 {
		g.PhysBlockSize = max(int(n), d.BlockSize)
	}
	if n, err := ioctlGet[uint32](d.FD, unix.BLKIOOPT); err == nil && int64(n)%int64(d.BlockSize) == 0 && n < 1<<30 {
		g.OptimalIO = int(n)
	}
	if d.queue.Number("write_zeroes_max_bytes") == 0 {
		s.discards = opts.DiscardZeroes && d.queue.Number("discard_max_bytes") > 0
		if !s.discards {
			g.Without |= backstore.CapUnmap
		}
	}
	if opts.Shared { // the kernel refuses both while somebody else uses the device exclusively
		g.Without |= backstore.CapUnmap | backstore.CapZero
	}
	s.unit = units{start: d.queue.DiscardAlignment(), size: d.queue.Number("discard_granularity")}
	if n := s.unit.size; n > 0 && n%int64(d.BlockSize) == 0 && n < 1<<30 {
		g.DiscardUnit = int(n)
	}
	s.unit.size = max(s.unit.size, int64(d.Unit))
	if !d.CanNowait() {
		g.Without |= backstore.CapNowait
	}
	if err := g.Validate(); err != nil {
		return err
	}
	if g.Size > 0 { // the device may have its own idea of alignment
		if err := d.Probe(g.Size-int64(g.BlockSize), g.BlockSize); err != nil {
			return fmt.Errorf("block: reading the last block of %s: %w", d.F.Name(), err)
		}
	}
	s.base.Init(&d.File, &s.Broadcaster, g)
	return nil
}

func (d *device) rotational() bool {
	n, err := ioctlGet[uint16](d.FD, unix.BLKROTATIONAL)
	return err == nil && n != 0
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry { return s.base.Geometry() }

// Refresh asks the device for its size and write protection again, and announces what has changed.
func (s *Store) Refresh() error {
	return s.base.Refresh(func() (size int64, readOnly bool, err error) {
		size, err = s.d.size()
		return size, s.d.Protected(), err
	})
}

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.Readv(ctx, iov, off)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.Writev(ctx, iov, off)
}

// WritevFUA writes with RWF_DSYNC, which is FUA to a device that knows it and a flush to others.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return s.base.WritevFUA(ctx, iov, off)
}

// TryReadv reads what is in the page cache.
func (s *Store) TryReadv(iov [][]byte, off int64) error { return s.base.TryReadv(iov, off) }

// TryWritev writes where the page cache takes the data at once.
func (s *Store) TryWritev(iov [][]byte, off int64) error { return s.base.TryWritev(iov, off) }

// Flush makes the whole device durable, whatever the range: it writes back the page cache and flushes
// the cache of the drive.
func (s *Store) Flush(ctx context.Context, off, n int64) error { return s.base.Flush(ctx, off, n) }

// Close closes the device. It waits for operations that are under way.
func (s *Store) Close() error { return s.base.Close(s.d.Close) }
