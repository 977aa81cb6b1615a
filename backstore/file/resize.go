package file

import (
	"fmt"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// Resize makes the file longer or shorter, flushes that, and announces it. size is a multiple of
// the block size. Cutting waits for operations that are under way, and for what is lent: that is
// until initiators have read their answers, or lose their connections because they do not.
func (s *Store) Resize(size int64) error {
	g := s.Geometry()
	if size < 0 {
		return backstore.ErrOutOfRange
	}
	if size%int64(g.BlockSize) != 0 {
		return backstore.ErrMisaligned
	}
	if g.ReadOnly {
		return backstore.ErrReadOnly
	}
	changed, err := s.setSize(size)
	s.base.TellLoss()
	if changed {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	return err
}

// Refresh looks at the length of the file again, which somebody else may have changed, and announces
// a new size. Only whole blocks count.
func (s *Store) Refresh() error {
	return s.base.Refresh(func() (size int64, readOnly bool, err error) {
		st, err := s.h.F.Stat()
		if err != nil {
			return 0, false, fmt.Errorf("file: looking at its size: %w", err)
		}
		g := s.Geometry()
		size = st.Size() - st.Size()%int64(g.BlockSize)
		s.mapUpTo(size, g)
		return size, g.ReadOnly, nil
	})
}

func (s *Store) setSize(size int64) (changed bool, err error) {
	s.base.Resizing.Lock()
	defer s.base.Resizing.Unlock()
	old := s.Geometry().Size
	if size < old {
		return s.cut(size)
	}
	if err := s.base.Begin(0, 0); err != nil {
		return false, err
	}
	defer s.base.End()
	if size == old {
		return false, nil
	}
	if err := s.h.truncate(size); err != nil {
		return false, osfile.MapError(err)
	}
	if s.thick {
		if err := s.h.allocate(old, size-old); err != nil {
			_ = s.h.truncate(old)
			return false, osfile.MapError(err)
		}
	}
	if err := s.base.Sync(); err != nil {
		return false, err
	}
	s.mapUpTo(size, s.Geometry())
	return s.base.SetSize(size), nil
}

// cut makes the file shorter while no operation is under way and nothing is lent. Other
// operations go on while it waits for what is lent, which may be on its way for long.
func (s *Store) cut(size int64) (changed bool, err error) {
	if gone := s.dropMapping(); gone != nil {
		<-gone
	}
	err = s.base.Alone(func() error {
		defer func() { g := s.Geometry(); s.mapUpTo(g.Size, g) }()
		if err := s.h.truncate(size); err != nil {
			return osfile.MapError(err)
		}
		changed = s.base.SetSize(size)
		return s.base.Sync()
	})
	return changed, err
}
