package block

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// spaceChunk is how much is freed or zeroed between two looks at the context, in bytes. The kernel
// finishes what it has begun.
const spaceChunk = 1 << 30

// Unmap writes zeroes with the permission to deallocate, or discards; see the package comment.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	if err := s.beginWrite(0, 0); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := s.Geometry().CheckExtents(extents); err != nil {
		return err
	}
	unmap := s.punch
	if s.discards {
		unmap = s.discard
	}
	for _, e := range extents {
		if err := eachChunk(ctx, e.Off, e.Len, unmap); err != nil {
			return err
		}
	}
	return s.settle()
}

// WriteZeroes unmaps if it may, else it zeroes the range and keeps it allocated.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if err := s.beginWrite(off, n); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	zero := s.zero
	switch {
	case !mayUnmap || s.geo.Without.Has(backstore.CapUnmap):
	case s.discards:
		zero = s.discard
	default:
		zero = s.punch
	}
	if err := eachChunk(ctx, off, n, zero); err != nil {
		return err
	}
	return s.settle()
}

// zero keeps the range allocated. Where the device has no command for it the kernel writes zeroes.
func (s *Store) zero(off, n int64) error {
	return retry(func() error { return ioctlRange(s.d.fd, unix.BLKZEROOUT, off, n) })
}

// punch lets the device deallocate the range as long as it reads as zeroes afterwards. The kernel takes the
// device's ability back when its first command fails; then the range is written.
func (s *Store) punch(off, n int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := retry(func() error { return unix.Fallocate(s.d.fd, mode, off, n) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return s.zero(off, n)
	}
	return err
}

// discard discards the whole discard units of the range and writes the rest with zeroes.
func (s *Store) discard(off, n int64) error {
	end := off + n
	first, last := s.unit.within(off, end)
	if first >= last {
		return s.zero(off, n)
	}
	err := retry(func() error { return ioctlRange(s.d.fd, unix.BLKDISCARD, first, last-first) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return s.zero(off, n)
	}
	if err == nil && off < first {
		err = s.zero(off, first-off)
	}
	if err == nil && last < end {
		err = s.zero(last, end-last)
	}
	return err
}

// units are where a device can discard: multiples of size, shifted by start, in bytes.
type units struct{ start, size int64 }

// within returns the whole units in [from, to); without any, first is not less than last.
func (u units) within(from, to int64) (first, last int64) {
	shift := u.start%u.size - u.size // not positive, so that from-shift is not negative
	first = (from-shift+u.size-1)/u.size*u.size + shift
	last = (to-shift)/u.size*u.size + shift
	return first, last
}

// settle makes a change of the allocation durable in a store without a write cache: O_DSYNC does
// not cover it.
func (s *Store) settle() error {
	if s.geo.Volatile {
		return nil
	}
	return s.flush()
}

// eachChunk calls do for pieces of [off, off+n).
func eachChunk(ctx context.Context, off, n int64, do func(off, n int64) error) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := min(n, spaceChunk)
		if err := do(off, part); err != nil {
			return mapError(err)
		}
		off, n = off+part, n-part
	}
	return nil
}
