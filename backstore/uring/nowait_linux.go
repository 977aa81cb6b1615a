package uring

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// smallVec is how many elements go to the system without an allocation.
const smallVec = 8

// TryReadv reads what is in the page cache, by a system call of its own: that is cheaper than the ring for
// what needs no waiting.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.active.RUnlock()
	if err := s.check(iov, off); err != nil {
		return err
	}
	if s.direct {
		return backstore.ErrWouldBlock
	}
	for len(iov) > 0 {
		part := iov[:min(len(iov), smallVec)]
		want := backstore.Len(part)
		if want > 0 {
			n, err := unix.Preadv2(s.fd, part, off, unix.RWF_NOWAIT)
			if err != nil || int64(n) != want { // a part of the range counts for nothing
				return backstore.ErrWouldBlock // an error shows again in Readv
			}
		}
		iov, off = iov[len(part):], off+want
	}
	return nil
}

// TryWritev writes where the page cache takes the data at once. What is begun is finished, because a
// caller that is told ErrWouldBlock relies on the old contents.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.active.RUnlock()
	if err := s.check(iov, off); err != nil {
		return err
	}
	if s.geo.ReadOnly {
		return backstore.ErrReadOnly
	}
	if s.direct || !s.geo.Volatile {
		return backstore.ErrWouldBlock
	}
	c := cursor{iov: iov}
	if !c.norm() {
		return nil
	}
	k := wholeBlocks(c.iov, s.geo.BlockSize)
	if k == 0 {
		return backstore.ErrWouldBlock
	}
	n, err := unix.Pwritev2(s.fd, c.iov[:k], off, unix.RWF_NOWAIT)
	if err != nil || n <= 0 {
		return backstore.ErrWouldBlock
	}
	return s.finishWrite(c, n, off)
}

// finishWrite writes what follows n bytes at c, in one piece so that no block is written in two steps. It is
// rare: the page cache takes all or nothing of most writes.
func (s *Store) finishWrite(c cursor, n int, off int64) error {
	c.skip(n)
	rest := make([]byte, backstore.Len(c.iov)-int64(c.at))
	c.gather(rest)
	for off += int64(n); len(rest) > 0; {
		n, err := unix.Pwrite(s.fd, rest, off)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return mapError(err)
		case n == 0:
			return io.ErrShortWrite
		}
		rest, off = rest[n:], off+int64(n)
	}
	return nil
}

// wholeBlocks returns how many elements one call without an allocation takes, at most and without cutting
// a block. 0: there is no such number.
func wholeBlocks(iov [][]byte, blockSize int) int {
	k, n := 0, 0
	for i, b := range iov[:min(len(iov), smallVec)] {
		if n = (n + len(b)) & (blockSize - 1); n == 0 {
			k = i + 1
		}
	}
	return k
}

// check is called with active held.
func (s *Store) check(iov [][]byte, off int64) error {
	if s.closed {
		return backstore.ErrClosed
	}
	_, err := s.Geometry().CheckIO(iov, off)
	return err
}
