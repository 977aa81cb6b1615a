package file

import (
	"fmt"

	"github.com/goscst/goscst/backstore"
)

// Resize makes the file longer or shorter, flushes that, and announces it. size is a multiple of
// the block size. Cutting waits for operations that are under way, and for what is lent: that is
// until initiators have read their answers, or lose their connections because they do not.
func (s *Store) Resize(size int64) error {
	if size < 0 {
		return backstore.ErrOutOfRange
	}
	if size%int64(s.geo.BlockSize) != 0 {
		return backstore.ErrMisaligned
	}
	if s.geo.ReadOnly {
		return backstore.ErrReadOnly
	}
	changed, err := s.setSize(size)
	s.tellFault()
	if changed {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	return err
}

// Refresh looks at the length of the file again, which somebody else may have changed, and announces
// a new size. Only whole blocks count.
func (s *Store) Refresh() error {
	changed, err := s.refresh()
	if changed {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	return err
}

func (s *Store) setSize(size int64) (changed bool, err error) {
	s.resize.Lock()
	defer s.resize.Unlock()
	old := s.size.Load()
	if size < old {
		return s.cut(size)
	}
	s.active.RLock()
	defer s.active.RUnlock()
	if s.closed {
		return false, backstore.ErrClosed
	}
	if size == old {
		return false, nil
	}
	if err := s.h.truncate(size); err != nil {
		return false, mapError(err)
	}
	if s.thick {
		if err := s.h.allocate(old, size-old); err != nil {
			_ = s.h.truncate(old)
			return false, mapError(err)
		}
	}
	if err := s.flush(); err != nil {
		return false, err
	}
	s.mapUpTo(size)
	s.size.Store(size)
	return true, nil
}

// cut makes the file shorter while no operation is under way and nothing is lent. Other
// operations go on while it waits for what is lent, which may be on its way for long.
func (s *Store) cut(size int64) (changed bool, err error) {
	if gone := s.dropMapping(); gone != nil {
		<-gone
	}
	s.active.Lock()
	defer s.active.Unlock()
	if s.closed {
		return false, backstore.ErrClosed
	}
	defer func() { s.mapUpTo(s.size.Load()) }()
	if err := s.h.truncate(size); err != nil {
		return false, mapError(err)
	}
	s.size.Store(size)
	return true, s.flush()
}

func (s *Store) refresh() (changed bool, err error) {
	s.resize.Lock()
	defer s.resize.Unlock()
	s.active.RLock()
	defer s.active.RUnlock()
	if s.closed {
		return false, backstore.ErrClosed
	}
	st, err := s.h.f.Stat()
	if err != nil {
		return false, fmt.Errorf("file: looking at its size: %w", err)
	}
	size := st.Size() - st.Size()%int64(s.geo.BlockSize)
	s.mapUpTo(size)
	return s.size.Swap(size) != size, nil
}
