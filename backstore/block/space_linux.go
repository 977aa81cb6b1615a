package block

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// Unmap writes zeroes with the permission to deallocate, or discards; see the package comment.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	return s.base.Unmap(ctx, extents, s.free)
}

// WriteZeroes unmaps if it may, else it zeroes the range and keeps it allocated.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if mayUnmap && !s.Geometry().Without.Has(backstore.CapUnmap) {
		return s.base.Zero(ctx, off, n, s.free)
	}
	return s.base.Zero(ctx, off, n, s.zero)
}

// free deallocates the range.
func (s *Store) free(off, n int64) error {
	if s.discards {
		return s.discard(off, n)
	}
	return s.punch(off, n)
}

// zero keeps the range allocated. Where the device has no command for it the kernel writes zeroes.
func (s *Store) zero(off, n int64) error {
	return osfile.Retry(func() error { return ioctlRange(s.d.FD, unix.BLKZEROOUT, off, n) })
}

// punch lets the device deallocate the range as long as it reads as zeroes afterwards. The kernel takes the
// device's ability back when its first command fails; then the range is written.
func (s *Store) punch(off, n int64) error {
	err := s.d.Fallocate(osfile.PunchHole, off, n)
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
	err := osfile.Retry(func() error { return ioctlRange(s.d.FD, unix.BLKDISCARD, first, last-first) })
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
