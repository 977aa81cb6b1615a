package main

import (
	"context"
	"os"
	"sync"

	"github.com/goscst/goscst/backstore"
)

// Store is a disk in a file: the four methods of a Backstore, and Flush because the system caches
// writes. Everything else is emulated.
type Store struct {
	mu     sync.RWMutex // a vector may split a block, and a block is written by one at a time
	f      *os.File
	geo    backstore.Geometry
	closed bool  // guarded by mu
	lost   error // guarded by mu; of the first flush that failed: the system tells only once
}

// Open makes the file name if need be and gives it size bytes at least, a multiple of 512.
func Open(name string, size int64) (*Store, error) {
	geo := backstore.Geometry{Size: size, BlockSize: 512, PhysBlockSize: 4096, Volatile: true}
	if err := geo.Validate(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() < size {
		err = f.Truncate(size)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Store{f: f, geo: geo}, nil
}

// Geometry describes the disk.
func (s *Store) Geometry() backstore.Geometry { return s.geo }

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.each(ctx, iov, off, s.f.ReadAt)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.each(ctx, iov, off, s.f.WriteAt)
}

// each moves the elements of iov one after the other.
func (s *Store) each(ctx context.Context, iov [][]byte, off int64, move func([]byte, int64) (int, error)) error {
	if s.closed {
		return backstore.ErrClosed
	}
	if _, err := s.geo.CheckIO(iov, off); err != nil {
		return err
	}
	for _, b := range iov {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := move(b, off); err != nil && len(b) > 0 {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// Flush makes everything durable.
func (s *Store) Flush(_ context.Context, off, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return backstore.ErrClosed
	}
	if err := s.geo.CheckRange(off, n); err != nil {
		return err
	}
	if s.lost == nil {
		s.lost = s.f.Sync()
	}
	return s.lost
}

// Close closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.f.Close()
}
