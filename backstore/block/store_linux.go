package block

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
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
	geo      backstore.Geometry // Size and ReadOnly are in size and ro
	discards bool               // unmap by BLKDISCARD, not by writing zeroes
	unit     units              // of discarding
	size     atomic.Int64
	ro       atomic.Bool
	sick     atomic.Pointer[error] // the first failure of a flush

	syncing sync.Mutex    // one fdatasync at a time; see flush
	begun   atomic.Uint64 // fdatasyncs that have begun
	covered uint64        // guarded by syncing; the last one of them that succeeded
	told    atomic.Bool   // EventFault was sent

	// active is held for reading by every operation on the device, and for writing by Close, so that none
	// hits what has got the descriptor since.
	active sync.RWMutex
	closed bool       // guarded by active
	look   sync.Mutex // one Refresh at a time; before active
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
		_ = d.close()
		return nil, err
	}
	return s, nil
}

// setUp fills in the geometry.
func (s *Store) setUp(opts *Options) error {
	d := s.d
	d.blockSize = d.logical
	if n := opts.BlockSize; n != 0 {
		if n < d.logical || n > backstore.MaxBlockSize || n&(n-1) != 0 {
			return fmt.Errorf("block: %s has blocks of %d bytes, which cannot make blocks of %d", d.f.Name(), d.logical, n)
		}
		d.blockSize = n
	}
	size, err := d.size()
	if err != nil {
		return err
	}
	s.size.Store(size)
	s.ro.Store(d.readOnly())
	g := backstore.Geometry{
		Size:       size,
		BlockSize:  d.blockSize,
		Rotational: d.rotational(),
		// Without a word from sysfs there may be a cache.
		Volatile: !opts.WriteThrough && (opts.Buffered || d.queue.text("write_cache") != "write through"),
		ReadOnly: s.ro.Load(),
		Without:  opts.Without,
	}
	if n, err := ioctlGet[uint32](d.fd, unix.BLKPBSZGET); err == nil && n&(n-1) == 0 {
		g.PhysBlockSize = max(int(n), d.blockSize)
	}
	if n, err := ioctlGet[uint32](d.fd, unix.BLKIOOPT); err == nil && int64(n)%int64(d.blockSize) == 0 && n < 1<<30 {
		g.OptimalIO = int(n)
	}
	if d.queue.number("write_zeroes_max_bytes") == 0 {
		s.discards = opts.DiscardZeroes && d.queue.number("discard_max_bytes") > 0
		if !s.discards {
			g.Without |= backstore.CapUnmap
		}
	}
	if opts.Shared { // the kernel refuses both while somebody else uses the device exclusively
		g.Without |= backstore.CapUnmap | backstore.CapZero
	}
	s.unit = units{start: d.queue.discardAlignment(), size: d.queue.number("discard_granularity")}
	if n := s.unit.size; n > 0 && n%int64(d.blockSize) == 0 && n < 1<<30 {
		g.DiscardUnit = int(n)
	}
	s.unit.size = max(s.unit.size, int64(d.logical))
	if !d.canNowait() {
		g.Without |= backstore.CapNowait
	}
	s.geo = g
	if err := g.Validate(); err != nil {
		return err
	}
	return s.tryDirect()
}

// tryDirect reads a block, because the device may have its own idea of alignment.
func (s *Store) tryDirect() error {
	if s.geo.Size == 0 {
		return nil
	}
	buf, err := s.d.buffer()
	if err != nil {
		return err
	}
	defer s.d.putBuffer(buf)
	if err := s.d.full(ioRead, buf[:s.geo.BlockSize], s.geo.Size-int64(s.geo.BlockSize)); err != nil {
		return fmt.Errorf("block: reading the last block of %s: %w", s.d.f.Name(), err)
	}
	return nil
}

func (d *device) rotational() bool {
	n, err := ioctlGet[uint16](d.fd, unix.BLKROTATIONAL)
	return err == nil && n != 0
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry {
	g := s.geo
	g.Size, g.ReadOnly = s.size.Load(), s.ro.Load()
	return g
}

// Refresh asks the device for its size and write protection again, and announces what has changed.
func (s *Store) Refresh() error {
	resized, changed, err := s.refresh()
	if resized {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	if changed {
		s.Send(backstore.Event{Kind: backstore.EventChanged})
	}
	return err
}

func (s *Store) refresh() (resized, changed bool, err error) {
	s.look.Lock()
	defer s.look.Unlock()
	if err := s.begin(0, 0); err != nil {
		return false, false, err
	}
	defer s.active.RUnlock()
	size, err := s.d.size()
	if err != nil {
		return false, false, err
	}
	ro := s.d.readOnly()
	return s.size.Swap(size) != size, s.ro.Swap(ro) != ro, nil
}

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.begin(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.active.RUnlock()
	return s.d.transfer(ctx, ioRead, iov, off)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.active.RUnlock()
	return s.d.transfer(ctx, ioWrite, iov, off)
}

// WritevFUA writes with RWF_DSYNC, which is FUA to a device that knows it and a flush to others.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := s.health(); err != nil {
		return err
	}
	err := s.d.transfer(ctx, ioWriteSync, iov, off)
	if losesData(err) {
		return s.noteLoss(err)
	}
	return err
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
	if s.d.direct {
		return backstore.ErrWouldBlock
	}
	return s.d.tryRead(iov, off)
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
	if s.ro.Load() {
		return backstore.ErrReadOnly
	}
	if s.d.direct {
		return backstore.ErrWouldBlock
	}
	return s.d.tryWrite(iov, off)
}

// Flush makes the whole device durable, whatever the range: it writes back the page cache and flushes
// the cache of the drive.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	if err := s.begin(off, n); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.d.writable {
		return nil
	}
	return s.flush()
}

// Close closes the device. It waits for operations that are under way.
func (s *Store) Close() error {
	s.active.Lock()
	defer s.active.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.d.close()
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
	if err := s.d.sync(); err != nil {
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

// noteLoss remembers an error after which nobody can tell what was lost.
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
	if s.ro.Load() {
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
