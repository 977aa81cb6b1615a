package mem

import (
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// Resize makes the store larger or smaller and announces it. What is cut off is freed; I/O that
// is under way there ends with ErrOutOfRange. What is added reads as zeroes and is not mapped. size
// is a multiple of the block size, at most MaxSize.
func (s *Store) Resize(size int64) error {
	if size < 0 || size > MaxSize {
		return backstore.ErrOutOfRange
	}
	if size%int64(s.geo.BlockSize) != 0 {
		return backstore.ErrMisaligned
	}
	changed, err := s.resize(size)
	if changed {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	return err
}

func (s *Store) resize(size int64) (changed bool, err error) {
	s.growMu.Lock()
	defer s.growMu.Unlock()
	if s.closed.Load() {
		return false, backstore.ErrClosed
	}
	old := s.size.Load()
	switch {
	case size == old:
		return false, nil
	case size < old:
		s.size.Store(size) // from here on nothing new appears behind it
		if err := s.freeRange(size, old); err != nil {
			s.size.Store(old) // it was the first page: nothing is freed yet
			return false, err
		}
	default:
		table := make([]atomic.Pointer[leaf], max(leaves(size), len(*s.table.Load())))
		for i := range *s.table.Load() {
			table[i].Store((*s.table.Load())[i].Load())
		}
		s.table.Store(&table)
		s.size.Store(size)
	}
	return true, nil
}

// freeRange frees [from, to), which lies outside the store by now or for which the store is closed.
// Only the first page can fail, when it is kept in part. Called with growMu held.
func (s *Store) freeRange(from, to int64) error {
	for off := from; off < to; {
		l := s.leafOf(off)
		if l == nil {
			off += leafSize - off%leafSize
			continue
		}
		part := pagePart(off, to-off)
		lock := &s.stripe[pageNumber(off)%stripes]
		lock.Lock()
		err := s.freePart(l, off, part)
		lock.Unlock()
		if err != nil {
			return err
		}
		off += int64(part)
	}
	return nil
}
