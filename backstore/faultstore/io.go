package faultstore

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
)

// Readv reads from the inner store.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return s.call(ctx, OpRead, extentOf(iov, off), func(e backstore.Extent) error {
		return s.touch(OpRead, e, func() error { return s.Inner.Readv(ctx, cut(iov, e.Len), off) })
	})
}

// Writev writes to the inner store.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return s.call(ctx, OpWrite, extentOf(iov, off), func(e backstore.Extent) error {
		return s.change(OpWrite, e, func() error { return s.Inner.Writev(ctx, cut(iov, e.Len), off) })
	})
}

// WritevFUA writes to the inner store, and with PowerCut takes care that Cut does not lose it.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	return s.call(ctx, OpFUA, extentOf(iov, off), func(e backstore.Extent) error {
		part := cut(iov, e.Len)
		if !s.opts.PowerCut {
			return s.touch(OpFUA, e, func() error { return s.Passthrough.WritevFUA(ctx, part, off) })
		}
		return s.change(OpFUA, e, func() error { return s.durableWrite(ctx, part, e) })
	})
}

// durableWrite is called with power locked, except that of a range that is refused anyway.
func (s *Store) durableWrite(ctx context.Context, iov [][]byte, e backstore.Extent) error {
	if s.a.FUAWriter != nil {
		err := s.a.FUAWriter.WritevFUA(ctx, iov, e.Off)
		if err == nil {
			s.hist.durable(e)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if err := s.Inner.Writev(ctx, iov, e.Off); err != nil {
		return err
	}
	return s.flush(ctx, e)
}

// TryReadv reads from the inner store if no rule has something against it.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	e := extentOf(iov, off)
	return s.try(OpRead, e, func() error { return s.Passthrough.TryReadv(iov, off) })
}

// TryWritev writes to the inner store if no rule has something against it. With PowerCut it
// always would block.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	e := extentOf(iov, off)
	if s.opts.PowerCut {
		if err := s.Geometry().CheckRange(e.Off, e.Len); err != nil {
			return err
		}
		return backstore.ErrWouldBlock
	}
	return s.try(OpWrite, e, func() error { return s.Passthrough.TryWritev(iov, off) })
}

func (s *Store) try(op Ops, e backstore.Extent, do func() error) error {
	if !s.power.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.power.RUnlock()
	if s.gone != nil {
		return s.gone
	}
	if !s.quiet(op, e) {
		return backstore.ErrWouldBlock
	}
	err := s.observed(op, e, do)
	if !errors.Is(err, backstore.ErrWouldBlock) {
		s.count(op, e)
	}
	return err
}

// Lend lends from the inner store if no rule has something against it.
func (s *Store) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	return s.lend(off, n, dst, s.Passthrough.Lend)
}

func (s *Store) lend(off, n int64, dst [][]byte, from func(off, n int64, dst [][]byte) ([][]byte, func(), bool)) (iov [][]byte, release func(), ok bool) {
	e := backstore.Extent{Off: off, Len: n}
	if !s.power.TryRLock() {
		return dst, nil, false
	}
	defer s.power.RUnlock()
	if s.gone != nil || !s.quiet(OpRead, e) {
		return dst, nil, false
	}
	if iov, release, ok = from(off, n, dst); ok {
		s.count(OpRead, e)
	}
	return iov, release, ok
}

// LendMapped lends from the inner store if no rule has something against it. What is lent shows
// at once what a Cut takes back.
func (s *Store) LendMapped(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	return s.lend(off, n, dst, s.Passthrough.LendMapped)
}

// Flush flushes the inner store, and with PowerCut takes care that Cut does not lose the range.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	return s.call(ctx, OpFlush, backstore.Extent{Off: off, Len: n}, func(e backstore.Extent) error {
		if !s.opts.PowerCut {
			return s.touch(OpFlush, e, func() error { return s.Passthrough.Flush(ctx, e.Off, e.Len) })
		}
		s.power.Lock()
		defer s.power.Unlock()
		if s.gone != nil {
			return s.gone
		}
		e, err := s.Inner.Geometry().FlushRange(e.Off, e.Len)
		if err != nil {
			return err
		}
		return s.observed(OpFlush, e, func() error { return s.flush(ctx, e) })
	})
}

// Unmap is one call for each extent.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	for _, e := range extents {
		err := s.call(ctx, OpUnmap, e, func(e backstore.Extent) error {
			return s.change(OpUnmap, e, func() error { return s.Passthrough.Unmap(ctx, []backstore.Extent{e}) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteZeroes writes zeroes to the inner store.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	return s.call(ctx, OpZero, backstore.Extent{Off: off, Len: n}, func(e backstore.Extent) error {
		return s.change(OpZero, e, func() error { return s.Passthrough.WriteZeroes(ctx, e.Off, e.Len, mayUnmap) })
	})
}

// WriteSame repeats a block in the inner store.
func (s *Store) WriteSame(ctx context.Context, block []byte, off, n int64) error {
	return s.call(ctx, OpWriteSame, backstore.Extent{Off: off, Len: n}, func(e backstore.Extent) error {
		return s.change(OpWriteSame, e, func() error { return s.Passthrough.WriteSame(ctx, block, e.Off, e.Len) })
	})
}

// CompareAndWrite compares and writes in the inner store. It is never done in part.
func (s *Store) CompareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error {
	whole := extentOf(write, off)
	return s.call(ctx, OpCompare, whole, func(e backstore.Extent) error {
		if e != whole {
			return nil
		}
		return s.change(OpCompare, e, func() error { return s.Passthrough.CompareAndWrite(ctx, compare, write, off) })
	})
}

// Verify verifies the inner store.
func (s *Store) Verify(ctx context.Context, off, n int64) error {
	return s.call(ctx, OpVerify, backstore.Extent{Off: off, Len: n}, func(e backstore.Extent) error {
		return s.touch(OpVerify, e, func() error { return s.Passthrough.Verify(ctx, e.Off, e.Len) })
	})
}

// AppendExtents asks the inner store.
func (s *Store) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	all := dst
	err := s.call(ctx, OpExtents, backstore.Extent{Off: off, Len: n}, func(e backstore.Extent) error {
		return s.touch(OpExtents, e, func() (err error) {
			all, err = s.Passthrough.AppendExtents(ctx, dst, e.Off, e.Len)
			return err
		})
	})
	return all, err
}

// CopyRange copies in the inner store. A src that is the Store itself, or another one, stands for
// what is inside.
func (s *Store) CopyRange(ctx context.Context, dstOff int64, src backstore.Backstore, srcOff, n int64) error {
	if other, ok := src.(*Store); ok {
		src = other.Inner
	}
	return s.call(ctx, OpCopy, backstore.Extent{Off: dstOff, Len: n}, func(e backstore.Extent) error {
		return s.change(OpCopy, e, func() error { return s.Passthrough.CopyRange(ctx, e.Off, src, srcOff, e.Len) })
	})
}

func extentOf(iov [][]byte, off int64) backstore.Extent {
	return backstore.Extent{Off: off, Len: backstore.Len(iov)}
}

// cut returns the first n bytes of iov.
func cut(iov [][]byte, n int64) [][]byte {
	if n == backstore.Len(iov) {
		return iov
	}
	var part [][]byte
	for _, b := range iov {
		if int64(len(b)) > n {
			b = b[:n]
		}
		part = append(part, b)
		n -= int64(len(b))
	}
	return part
}
