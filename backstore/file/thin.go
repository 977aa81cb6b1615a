package file

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
)

// spaceChunk is how much is freed or zeroed between two looks at the context.
const spaceChunk = 1 << 30

// Unmap punches holes. Parts of a block of the file system are written with zeroes.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	if err := s.beginWrite(0, 0); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	if err := s.Geometry().CheckExtents(extents); err != nil {
		return err
	}
	for _, e := range extents {
		if err := eachChunk(ctx, e.Off, e.Len, s.punch); err != nil {
			return err
		}
	}
	return s.settle()
}

// WriteZeroes punches holes if it may, else it zeroes the range and keeps it allocated.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if err := s.beginWrite(off, n); err != nil {
		return err
	}
	defer s.tellFault()
	defer s.active.RUnlock()
	err := errors.ErrUnsupported
	if mayUnmap && !s.thick {
		err = eachChunk(ctx, off, n, s.punch)
	}
	if isUnsupported(err) {
		err = eachChunk(ctx, off, n, s.h.zeroRange)
	}
	if err != nil {
		return err
	}
	return s.settle()
}

// punch makes a hole.
func (s *Store) punch(off, n int64) error {
	m := s.mapped.Load()
	if m == nil || !m.ref() {
		return s.h.punch(off, n)
	}
	defer m.unref()
	m.holes.Lock()
	defer m.holes.Unlock()
	defer m.forget(off, n)
	return s.h.punch(off, n)
}

// AppendExtents tells data from holes. Space that is reserved but was never written counts as
// deallocated.
func (s *Store) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	if err := s.begin(off, n); err != nil {
		return dst, err
	}
	defer s.active.RUnlock()
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
		bs := int64(s.geo.BlockSize)
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

// settle makes a change of the allocation durable in a store without a write cache: O_DSYNC does
// not cover it.
func (s *Store) settle() error {
	if s.geo.Volatile {
		return nil
	}
	return s.flush()
}

// eachChunk calls do for pieces of [off, off+n). Only before the first piece may it find out that
// something is unsupported.
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
