package mem

import (
	"context"

	"github.com/goscst/goscst/backstore"
)

// Unmap frees the blocks of extents.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent) error {
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	if err := s.Geometry().CheckExtents(extents); err != nil {
		return err
	}
	for _, e := range extents {
		if err := s.unmap(ctx, e.Off, e.Len); err != nil {
			return err
		}
	}
	return nil
}

// WriteZeroes frees the blocks with mayUnmap, else it clears them and leaves them mapped.
func (s *Store) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if s.closed.Load() {
		return backstore.ErrClosed
	}
	if err := s.Geometry().CheckRange(off, n); err != nil {
		return err
	}
	if mayUnmap {
		return s.unmap(ctx, off, n)
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
		clear(dst)
		s.unlock(off)
		off, n = off+int64(part), n-int64(part)
	}
	return nil
}

// AppendExtents tells block by block what is mapped.
func (s *Store) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	if s.closed.Load() {
		return dst, backstore.ErrClosed
	}
	if err := s.Geometry().CheckRange(off, n); err != nil {
		return dst, err
	}
	list := extentList{dst: dst, base: len(dst), room: max(1, cap(dst)-len(dst))}
	for n > 0 && !list.full {
		if err := ctx.Err(); err != nil {
			return list.dst, err
		}
		var part int64
		if s.leafOf(off) == nil {
			part = min(n, leafSize-off%leafSize)
			list.add(off, part, backstore.Deallocated)
		} else {
			part = int64(pagePart(off, n))
			s.mapPage(&list, off, int(part))
		}
		off, n = off+part, n-part
	}
	return list.dst, nil
}

// mapPage adds the extents of [off, off+n), which lies in one page.
func (s *Store) mapPage(list *extentList, off int64, n int) {
	lock := &s.stripe[pageNumber(off)%stripes]
	lock.RLock()
	defer lock.RUnlock()
	p, ok := s.find(off)
	if !ok {
		list.add(off, int64(n), backstore.Deallocated)
		return
	}
	bs := s.geo.BlockSize
	base := off - off%pageSize
	from := int(off%pageSize) / bs
	for limit := from + n/bs; from < limit; {
		mapped, end := p.mapped.run(from, limit)
		state := backstore.Deallocated
		if mapped {
			state = backstore.Mapped
		}
		list.add(base+int64(from*bs), int64((end-from)*bs), state)
		from = end
	}
}

// extentList collects extents in dst, from base on, until it is full.
type extentList struct {
	dst  []backstore.MappedExtent
	base int
	room int
	full bool
}

// add appends an extent or makes the last one longer.
func (l *extentList) add(off, n int64, state backstore.MapState) {
	if l.full {
		return
	}
	if k := len(l.dst); k > l.base && l.dst[k-1].State == state {
		l.dst[k-1].Len += n
		return
	}
	if l.room == 0 {
		l.full = true
		return
	}
	l.dst = append(l.dst, backstore.MappedExtent{Extent: backstore.Extent{Off: off, Len: n}, State: state})
	l.room--
}

// unmap frees one range and looks at the context at each page that exists.
func (s *Store) unmap(ctx context.Context, off, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := s.leafOf(off)
		if l == nil {
			part := min(n, leafSize-off%leafSize)
			off, n = off+part, n-part
			continue
		}
		part := pagePart(off, n)
		lock := &s.stripe[pageNumber(off)%stripes]
		lock.Lock()
		err := s.inside(off, part)
		if err == nil {
			err = s.freePart(l, off, part)
		}
		lock.Unlock()
		if err != nil {
			return err
		}
		off, n = off+int64(part), n-int64(part)
	}
	return nil
}
