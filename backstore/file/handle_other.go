//go:build !linux

package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/goscst/goscst/backstore"
)

// bufferSize is how much is gathered for one call, in bytes.
const bufferSize = 256 << 10

// handle is the open file. There are no vectors, so that what is not one piece is copied together:
// a block must not be written in two steps.
type handle struct {
	f       *os.File
	unit    int
	sync    func() error // tests have it fail
	buffers sync.Pool    // of *[]byte
}

func openFlags(opts *Options) (int, error) {
	if opts.Direct {
		return 0, errors.New("file: no direct I/O on this system")
	}
	if opts.WriteThrough && !opts.ReadOnly {
		return os.O_SYNC, nil
	}
	return 0, nil
}

func (h *handle) init(f *os.File, _ int, opts *Options) error {
	h.f, h.unit, h.sync = f, 4096, f.Sync
	_, err := openFlags(opts)
	return err
}

// probe tells what cannot be done.
func (h *handle) probe(backstore.Geometry) (backstore.Cap, error) {
	return backstore.CapFUA | backstore.CapUnmap | backstore.CapZero | backstore.CapNowait | backstore.CapLendMapped | backstore.CapExtents, nil
}

// transfer moves all of iov, or fails.
func (h *handle) transfer(ctx context.Context, kind ioKind, iov [][]byte, off int64) error {
	if kind == ioWriteSync {
		return errors.ErrUnsupported
	}
	if len(iov) == 1 {
		return h.full(ctx, kind, iov[0], off)
	}
	buf, _ := h.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, bufferSize)
		buf = &b
	}
	defer h.buffers.Put(buf)
	at := 0
	for left := backstore.Len(iov); left > 0; {
		part := (*buf)[:min(left, bufferSize)]
		if kind == ioWrite {
			iov, at = gather(part, iov, at)
		}
		if err := h.full(ctx, kind, part, off); err != nil {
			return err
		}
		if kind == ioRead {
			iov, at = scatter(part, iov, at)
		}
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return nil
}

// full moves all of b.
func (h *handle) full(ctx context.Context, kind ioKind, b []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b) == 0 {
		return nil
	}
	if kind == ioRead {
		n, err := h.f.ReadAt(b, off)
		if n == len(b) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF // the file is shorter than the disk
		}
		return mapError(err)
	}
	_, err := h.f.WriteAt(b, off)
	return mapError(err)
}

func (h *handle) tryRead([][]byte, int64) error  { return backstore.ErrWouldBlock }
func (h *handle) tryWrite([][]byte, int64) error { return backstore.ErrWouldBlock }

func (h *handle) truncate(size int64) error  { return h.f.Truncate(size) }
func (h *handle) allocate(_, _ int64) error  { return errors.ErrUnsupported }
func (h *handle) punch(_, _ int64) error     { return errors.ErrUnsupported }
func (h *handle) zeroRange(_, _ int64) error { return errors.ErrUnsupported }
func (h *handle) close() error               { return h.f.Close() }

func (h *handle) nextHole(_, _ int64) (from, to int64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// syncDir does nothing: whether a directory can be flushed differs between systems.
func syncDir(string) error { return nil }

// mapError turns the system's errors into those of backstore where it has one.
func mapError(err error) error {
	const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112) // of Windows
	var no syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return backstore.ErrReadOnly
	case errors.As(err, &no) && runtime.GOOS == "windows" && (no == handleDiskFull || no == diskFull):
		return backstore.ErrNoSpace
	case errors.Is(err, syscall.ENOSPC):
		return backstore.ErrNoSpace
	}
	return err
}

// losesData tells a failed write-back from a write that was refused before it took any data.
func losesData(err error) bool { return errors.Is(err, syscall.EIO) }
