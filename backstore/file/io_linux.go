package file

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

const (
	smallVec   = 8         // elements that go to the system without an allocation
	maxVec     = 1024      // IOV_MAX
	bounceSize = 256 << 10 // bytes in an aligned buffer
	maxIdle    = 8         // aligned buffers that are kept
)

// transfer moves all of iov, or fails.
func (h *handle) transfer(ctx context.Context, kind ioKind, iov [][]byte, off int64) error {
	if kind == ioWriteSync && h.noSyncWrite.Load() {
		return errors.ErrUnsupported
	}
	for at := 0; ; { // at: bytes of iov[0] that are done
		for len(iov) > 0 && at == len(iov[0]) {
			iov, at = iov[1:], 0
		}
		if len(iov) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := h.once(kind, iov, at, off)
		if err != nil {
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case kind == ioWriteSync && !h.direct && errors.Is(err, unix.EINVAL), kind == ioWriteSync && isUnsupported(err):
				h.noSyncWrite.Store(true)
				return errors.ErrUnsupported
			case errors.Is(err, errUneven), h.direct && errors.Is(err, unix.EINVAL):
				return h.transferBounced(ctx, kind, iov, at, off) // or memory that direct I/O cannot use
			}
			return mapError(err)
		}
		if n == 0 {
			return stuck(kind)
		}
		off += int64(n)
		for n > 0 {
			k := min(n, len(iov[0])-at)
			n, at = n-k, at+k
			if at == len(iov[0]) {
				iov, at = iov[1:], 0
			}
		}
	}
}

// errUneven says that a vector cannot be cut into whole blocks at the limits of the system.
var errUneven = errors.New("file: vector needs gathering")

// once makes one system call for the beginning of iov, less at bytes of the first element, and
// returns how many bytes it moved.
func (h *handle) once(kind ioKind, iov [][]byte, at int, off int64) (int, error) {
	if at > 0 || len(iov) == 1 {
		b := iov[0][at:]
		switch kind {
		case ioRead:
			return unix.Pread(h.fd, b, off)
		case ioWrite:
			return unix.Pwrite(h.fd, b, off)
		}
		one := [1][]byte{b}
		return unix.Pwritev2(h.fd, one[:], off, unix.RWF_DSYNC)
	}
	few := smallVec
	if h.direct || kind == ioWriteSync {
		few = maxVec // each call waits for the drive: make one
	}
	k := evenPrefix(iov, few, h.blockSize)
	if k == 0 {
		return 0, errUneven
	}
	switch kind {
	case ioRead:
		return unix.Preadv(h.fd, iov[:k], off)
	case ioWrite:
		return unix.Pwritev(h.fd, iov[:k], off)
	}
	return unix.Pwritev2(h.fd, iov[:k], off, unix.RWF_DSYNC)
}

// evenPrefix returns how many elements one call takes: at least few, or all, and so many that no
// block is cut, because the halves of a block would be written in two steps. 0: there is no such
// number up to maxVec.
func evenPrefix(iov [][]byte, few, blockSize int) int {
	even, n := 0, 0
	for i, b := range iov[:min(len(iov), maxVec)] {
		n = (n + len(b)) & (blockSize - 1)
		if n == 0 {
			if even = i + 1; even >= few {
				break
			}
		}
	}
	return even
}

// transferBounced moves through an aligned buffer.
func (h *handle) transferBounced(ctx context.Context, kind ioKind, iov [][]byte, at int, off int64) error {
	buf, err := h.buffer()
	if err != nil {
		return err
	}
	defer h.putBuffer(buf)
	left := backstore.Len(iov) - int64(at)
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(left, int64(len(buf)))]
		if kind != ioRead {
			iov, at = gather(part, iov, at)
		}
		if err := h.full(kind, part, off); err != nil {
			return err
		}
		if kind == ioRead {
			iov, at = scatter(part, iov, at)
		}
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return nil
}

// bounced moves n bytes at off through an aligned buffer, for a try.
func (h *handle) bounced(kind ioKind, off int64, n int) error {
	buf, err := h.buffer()
	if err != nil {
		return err
	}
	defer h.putBuffer(buf)
	return h.full(kind, buf[:n], off)
}

// full moves all of b.
func (h *handle) full(kind ioKind, b []byte, off int64) error {
	one := [1][]byte{b}
	for done := 0; done < len(b); {
		n, err := h.once(kind, one[:], done, off+int64(done))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return mapError(err)
		}
		if n == 0 {
			return stuck(kind)
		}
		done += n
	}
	return nil
}

// stuck is the error of a call that moved nothing.
func stuck(kind ioKind) error {
	if kind == ioRead {
		return io.ErrUnexpectedEOF // the file is shorter than the disk
	}
	return io.ErrShortWrite
}

// tryRead reads what does not have to be waited for. Where a part of the range is missing from
// the page cache the system returns the other part, which counts for nothing here.
func (h *handle) tryRead(iov [][]byte, off int64) error {
	if len(iov) == 1 && len(iov[0]) <= maxBrief && !h.direct && h.readBrief(iov[0], off) == len(iov[0]) {
		return nil
	}
	if h.memory {
		return h.transfer(context.Background(), ioRead, iov, off)
	}
	if h.direct {
		return backstore.ErrWouldBlock
	}
	for len(iov) > 0 {
		part := iov[:min(len(iov), smallVec)]
		want := backstore.Len(part)
		if want > 0 {
			n, err := unix.Preadv2(h.fd, part, off, unix.RWF_NOWAIT)
			if err != nil || int64(n) != want {
				return backstore.ErrWouldBlock // an error shows again in Readv
			}
		}
		iov, off = iov[len(part):], off+want
	}
	return nil
}

// tryWrite writes without waiting. What is begun is finished, because a caller that is told
// ErrWouldBlock relies on the old contents.
func (h *handle) tryWrite(iov [][]byte, off int64) error {
	if h.memory {
		return h.transfer(context.Background(), ioWrite, iov, off)
	}
	if h.direct || h.dsync || h.noNowaitWrite.Load() {
		return backstore.ErrWouldBlock
	}
	for len(iov) > 0 && len(iov[0]) == 0 {
		iov = iov[1:]
	}
	if len(iov) == 0 {
		return nil
	}
	k := evenPrefix(iov, smallVec, h.blockSize)
	if k == 0 {
		return backstore.ErrWouldBlock
	}
	n, err := unix.Pwritev2(h.fd, iov[:k], off, unix.RWF_NOWAIT)
	if err != nil {
		if isUnsupported(err) || errors.Is(err, unix.EINVAL) {
			h.noNowaitWrite.Store(true)
		}
		return backstore.ErrWouldBlock
	}
	if n <= 0 {
		return backstore.ErrWouldBlock
	}
	return h.finish(iov, n, off)
}

// finish writes what is left of iov after n bytes.
func (h *handle) finish(iov [][]byte, n int, off int64) error {
	off += int64(n)
	for len(iov) > 0 && n >= len(iov[0]) {
		n -= len(iov[0])
		iov = iov[1:]
	}
	if len(iov) == 0 {
		return nil
	}
	one := [1][]byte{iov[0][n:]}
	if err := h.transfer(context.Background(), ioWrite, one[:], off); err != nil {
		return err
	}
	return h.transfer(context.Background(), ioWrite, iov[1:], off+int64(len(one[0])))
}

// buffer returns memory that starts at a page, as direct I/O wants it.
func (h *handle) buffer() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.buffers); n > 0 {
		b := h.buffers[n-1]
		h.buffers = h.buffers[:n-1]
		return b, nil
	}
	b, err := unix.Mmap(-1, 0, bounceSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, backstore.ErrBusy
	}
	return b, nil
}

func (h *handle) putBuffer(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.buffers) == maxIdle {
		_ = unix.Munmap(b)
		return
	}
	h.buffers = append(h.buffers, b)
}
