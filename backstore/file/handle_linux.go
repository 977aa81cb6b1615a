package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// handle is the open file and what its file system can do.
type handle struct {
	f         *os.File
	fd        int
	blockSize int
	unit      int          // bytes in a block of the file system
	direct    bool         // O_DIRECT
	dsync     bool         // O_DSYNC
	memory    bool         // a file system in memory: nothing blocks
	coherent  bool         // a file system whose mappings show at once what is written
	sync      func() error // fdatasync; tests have it fail

	noSyncWrite   atomic.Bool // RWF_DSYNC was refused
	noNowaitWrite atomic.Bool // RWF_NOWAIT was refused for a write

	mu      sync.Mutex
	buffers [][]byte // guarded by mu; aligned buffers that wait for their next use
}

// openFlags are those of open(2) that the options ask for.
func openFlags(opts *Options) (int, error) {
	flags := 0
	if opts.Direct {
		flags |= unix.O_DIRECT
	}
	if opts.WriteThrough && !opts.ReadOnly {
		flags |= unix.O_DSYNC
	}
	return flags, nil
}

func (h *handle) init(f *os.File, blockSize int, opts *Options) error {
	h.f, h.fd = f, int(f.Fd())
	h.blockSize = blockSize
	h.sync = func() error { return retry(func() error { return unix.Fdatasync(h.fd) }) }
	h.direct = opts.Direct
	h.dsync = opts.WriteThrough
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return fmt.Errorf("file: looking at %s: %w", f.Name(), err)
	}
	if h.unit = int(st.Blksize); h.unit <= 0 {
		h.unit = 4096
	}
	if err := h.checkFlags(opts); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(h.fd, &fs); err == nil {
		h.memory = uint32(fs.Type) == unix.TMPFS_MAGIC || uint32(fs.Type) == unix.RAMFS_MAGIC
		h.coherent = coherentFS(uint32(fs.Type), opts.ReadOnly)
	}
	if !h.direct {
		return nil
	}
	var sx unix.Statx_t
	if unix.Statx(h.fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &sx) == nil && sx.Mask&unix.STATX_DIOALIGN != 0 {
		if sx.Dio_offset_align == 0 {
			return fmt.Errorf("file: %s does not support direct I/O", f.Name())
		}
		if blockSize%int(sx.Dio_offset_align) != 0 {
			return fmt.Errorf("file: direct I/O on %s needs blocks of %d bytes, not %d", f.Name(), sx.Dio_offset_align, blockSize)
		}
	}
	return nil
}

// checkFlags compares how the file was opened with what the options promise.
func (h *handle) checkFlags(opts *Options) error {
	flags, err := unix.FcntlInt(uintptr(h.fd), unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("file: looking at %s: %w", h.f.Name(), err)
	}
	writable := flags&unix.O_ACCMODE == unix.O_RDWR
	switch {
	case flags&unix.O_ACCMODE == unix.O_WRONLY, !writable && !opts.ReadOnly:
		return fmt.Errorf("file: %s is not open for reading and writing", h.f.Name())
	case opts.Direct != (flags&unix.O_DIRECT != 0):
		return fmt.Errorf("file: Direct does not fit how %s is open", h.f.Name())
	case opts.WriteThrough && writable && flags&unix.O_DSYNC == 0:
		return fmt.Errorf("file: %s is not open with O_DSYNC", h.f.Name())
	case flags&unix.O_APPEND != 0:
		return fmt.Errorf("file: %s is open for appending", h.f.Name())
	}
	return nil
}

// lock takes the advisory lock.
func (h *handle) lock(shared bool) error {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := retry(func() error { return unix.Flock(h.fd, how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", ErrInUse, h.f.Name())
	}
	if err != nil {
		return fmt.Errorf("file: locking %s: %w", h.f.Name(), err)
	}
	return nil
}

// probe tries what may be missing, without changing anything, and returns what is.
func (h *handle) probe(g backstore.Geometry) (backstore.Cap, error) {
	var without backstore.Cap
	if g.Size > 0 {
		if h.direct { // the system may have its own idea of alignment
			err := h.bounced(ioRead, g.Size-int64(g.BlockSize), g.BlockSize)
			if errors.Is(err, unix.EINVAL) {
				return 0, fmt.Errorf("file: direct I/O on %s does not work with blocks of %d bytes", h.f.Name(), g.BlockSize)
			}
			if err != nil {
				return 0, fmt.Errorf("file: reading %s: %w", h.f.Name(), err)
			}
		}
		if !h.canNowait(g.BlockSize) {
			without |= backstore.CapNowait
		}
	}
	st, err := h.f.Stat()
	if err != nil {
		return 0, fmt.Errorf("file: looking at %s: %w", h.f.Name(), err)
	}
	if !g.Without.Has(backstore.CapLendMapped) && !h.mappable(st.Size()) {
		without |= backstore.CapLendMapped
	}
	if !g.ReadOnly {
		unit := int64(h.unit) // behind the end of the file there is nothing to punch a hole into
		if h.punch((st.Size()+unit-1)/unit*unit, unit) != nil {
			without |= backstore.CapUnmap
		}
	}
	if _, err := unix.Seek(h.fd, 0, unix.SEEK_HOLE); err != nil && g.Size > 0 {
		without |= backstore.CapExtents
	}
	return without, nil
}

// canNowait finds out whether reads can be tried. Direct I/O always waits for the drive.
func (h *handle) canNowait(n int) bool {
	if h.direct {
		return false
	}
	if h.memory {
		return true
	}
	_, err := unix.Preadv2(h.fd, [][]byte{make([]byte, n)}, 0, unix.RWF_NOWAIT)
	return err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

func (h *handle) truncate(size int64) error {
	return retry(func() error { return unix.Ftruncate(h.fd, size) })
}

func (h *handle) allocate(off, n int64) error { return h.fallocate(0, off, n) }

func (h *handle) punch(off, n int64) error {
	return h.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

func (h *handle) zeroRange(off, n int64) error {
	return h.fallocate(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

func (h *handle) fallocate(mode uint32, off, n int64) error {
	return retry(func() error { return unix.Fallocate(h.fd, mode, off, n) })
}

// nextHole returns the first hole at or after off, cut to end; [end, end) if there is none.
func (h *handle) nextHole(off, end int64) (from, to int64, err error) {
	from, err = unix.Seek(h.fd, off, unix.SEEK_HOLE)
	if errors.Is(err, unix.ENXIO) || err == nil && from >= end { // ENXIO: off is behind the end by now
		return end, end, nil
	}
	if err != nil {
		return 0, 0, noSeek(err)
	}
	to, err = unix.Seek(h.fd, from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && to > end {
		return from, end, nil
	}
	return from, to, noSeek(err)
}

// noSeek makes the answer of a file system without SEEK_HOLE one that asks for the emulation.
func noSeek(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return errors.ErrUnsupported
	}
	return mapError(err)
}

func (h *handle) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.buffers {
		_ = unix.Munmap(b)
	}
	h.buffers = nil
	return h.f.Close()
}

// syncDir makes the name of a new file durable.
func syncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // the file system cannot, or need not
		err = nil
	}
	return errors.Join(err, d.Close())
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// mapError turns the system's errors into those of backstore where it has one.
func mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return backstore.ErrNoSpace
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return backstore.ErrReadOnly
	}
	return err
}

// losesData tells a failed write-back from a write that was refused before it took any data.
func losesData(err error) bool { return errors.Is(err, unix.EIO) }
