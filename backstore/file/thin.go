package file

import (
	"context"

	"github.com/goscst/goscst/backstore"
)

// Unmap punches holes. Parts of a block of the file system are written with zeroes.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	return s.base.Unmap(ctx, extents, s.free)
}

// WriteZeroes punches holes if it may, else it zeroes the range and keeps it allocated.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if mayUnmap && !s.thick {
		return s.base.Zero(ctx, off, n, s.free)
	}
	return s.base.Zero(ctx, off, n, s.h.Zero)
}

// free makes a hole.
func (s *Store) free(off, n int64) error {
	m := s.mapped.Load()
	if m == nil || !m.ref() {
		return s.h.Free(off, n)
	}
	defer m.unref()
	m.holes.Lock()
	defer m.holes.Unlock()
	defer m.forget(off, n)
	return s.h.Free(off, n)
}

// AppendExtents tells data from holes. Space that is reserved but was never written counts as
// deallocated.
func (s *Store) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	if err := s.base.Begin(off, n); err != nil {
		return dst, err
	}
	defer s.base.End()
	room := max(1, cap(dst)-len(dst))
	for end := off + n; off < end && room > 0; room-- {
		x, err := s.nextExtent(ctx, off, end)
		if err != nil {
			return dst, err
		}
		dst = append(dst, x)
		off += x.Len
	}
	return dst, nil
}

// nextExtent returns the longest extent of one state at off. Holes are cut to whole blocks.
func (s *Store) nextExtent(ctx context.Context, off, end int64) (backstore.MappedExtent, error) {
	x := backstore.MappedExtent{Extent: backstore.Extent{Off: off, Len: end - off}}
	for pos := off; pos < end; {
		if err := ctx.Err(); err != nil {
			return x, err
		}
		from, to, err := s.h.nextHole(pos, end)
		if err != nil {
			return x, err
		}
		bs := int64(s.Geometry().BlockSize)
		first, last := (from+bs-1)/bs*bs, to/bs*bs
		switch {
		case first >= last: // no whole block in it
			pos = max(to, pos+1)
			continue
		case first > off:
			x.Len = min(first, end) - off
			return x, nil
		}
		x.State, x.Len = backstore.Deallocated, min(last, end)-off
		return x, nil
	}
	return x, nil
}
