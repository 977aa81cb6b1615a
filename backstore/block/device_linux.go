package block

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

const (
	smallVec   = 8         // elements that go to the system without an allocation
	bounceSize = 256 << 10 // bytes in an aligned buffer
	maxIdle    = 8         // aligned buffers that are kept
)

// ioKind is a direction and its flags.
type ioKind uint8

const (
	ioRead ioKind = iota
	ioWrite
	ioWriteSync // durable when it returns
)

// device is the open device.
type device struct {
	f         *os.File
	fd        int
	queue     queue
	logical   int // bytes in a logical block of the device
	blockSize int // of the disk
	writable  bool
	direct    bool
	dsync     bool
	sync      func() error // fdatasync; tests have it fail

	mu      sync.Mutex
	buffers [][]byte // guarded by mu; aligned buffers that wait for their next use
}

// openDevice opens a block device. One that is write-protected is opened for reading.
func openDevice(name string, opts *Options) (*device, error) {
	flags := 0
	if !opts.Shared {
		flags |= unix.O_EXCL
	}
	if !opts.Buffered {
		flags |= unix.O_DIRECT
	}
	access := unix.O_RDONLY
	if !opts.ReadOnly {
		access = unix.O_RDWR
		if opts.WriteThrough {
			flags |= unix.O_DSYNC
		}
	}
	// What is not a block device may do anything when it is opened: look first.
	if err := checkType(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, access|flags, 0)
	if err != nil && access == unix.O_RDWR && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)) {
		ro, roErr := os.OpenFile(name, unix.O_RDONLY|flags, 0)
		if roErr != nil {
			return nil, err
		}
		if !protected(int(ro.Fd())) {
			_ = ro.Close()
			return nil, err
		}
		f, access, err = ro, unix.O_RDONLY, nil
	}
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, name)
	}
	if err != nil {
		return nil, err
	}
	d := &device{f: f, fd: int(f.Fd()), writable: access == unix.O_RDWR, direct: !opts.Buffered, dsync: opts.WriteThrough}
	d.sync = func() error { return retry(func() error { return unix.Fdatasync(d.fd) }) }
	if err := d.look(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

func checkType(name string) error {
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	if st.Mode()&os.ModeType != os.ModeDevice {
		return fmt.Errorf("block: %s is not a block device", name)
	}
	return nil
}

// look finds out what stays the same while the device is open.
func (d *device) look() error {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return fmt.Errorf("block: looking at %s: %w", d.f.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return fmt.Errorf("block: %s is not a block device", d.f.Name())
	}
	n, err := ioctlGet[int32](d.fd, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("block: block size of %s: %w", d.f.Name(), err)
	}
	if n < backstore.MinBlockSize || n&(n-1) != 0 {
		return fmt.Errorf("block: %s has blocks of %d bytes", d.f.Name(), n)
	}
	d.logical = int(n)
	d.queue = queueOf(uint64(st.Rdev)) //nolint:unconvert // its type differs between architectures
	return nil
}

// size is how many bytes in whole blocks the device has now.
func (d *device) size() (int64, error) {
	n, err := ioctlGet[uint64](d.fd, unix.BLKGETSIZE64)
	if err != nil {
		return 0, fmt.Errorf("block: size of %s: %w", d.f.Name(), err)
	}
	return int64(n) &^ int64(d.blockSize-1), nil
}

// readOnly reports whether the device takes no writes now.
func (d *device) readOnly() bool { return !d.writable || protected(d.fd) }

func protected(fd int) bool {
	ro, err := ioctlGet[int32](fd, unix.BLKROGET)
	return err == nil && ro != 0
}

// transfer moves all of iov, or fails.
func (d *device) transfer(ctx context.Context, kind ioKind, iov [][]byte, off int64) error {
	if d.direct && !whole(iov, d.logical) {
		return d.bounced(ctx, kind, cursor{iov: iov}, off)
	}
	for c := (cursor{iov: iov}); c.norm(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := d.once(kind, c, off)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, errUneven), d.direct && errors.Is(err, unix.EINVAL):
			return d.bounced(ctx, kind, c, off) // or memory that the device cannot reach
		case err != nil:
			return mapError(err)
		case n == 0:
			return stuck(kind)
		}
		c.skip(n)
		off += int64(n)
	}
	return nil
}

// errUneven says that a vector cannot be cut into whole blocks at the limits of the system.
var errUneven = errors.New("block: vector needs gathering")

// once makes one system call for what is at c, which is not the end, and returns how many bytes
// it moved.
func (d *device) once(kind ioKind, c cursor, off int64) (int, error) {
	if c.at > 0 || len(c.iov) == 1 {
		b := c.iov[0][c.at:]
		switch kind {
		case ioRead:
			return unix.Pread(d.fd, b, off)
		case ioWrite:
			return unix.Pwrite(d.fd, b, off)
		}
		one := [1][]byte{b}
		return unix.Pwritev2(d.fd, one[:], off, unix.RWF_DSYNC)
	}
	few := smallVec
	if d.direct || kind == ioWriteSync {
		few = maxVec // each call waits for the drive: make one
	}
	k := even(c.iov, few, d.blockSize)
	if k == 0 {
		return 0, errUneven
	}
	switch kind {
	case ioRead:
		return unix.Preadv(d.fd, c.iov[:k], off)
	case ioWrite:
		return unix.Pwritev(d.fd, c.iov[:k], off)
	}
	return unix.Pwritev2(d.fd, c.iov[:k], off, unix.RWF_DSYNC)
}

// bounced moves what is at c through an aligned buffer.
func (d *device) bounced(ctx context.Context, kind ioKind, c cursor, off int64) error {
	buf, err := d.buffer()
	if err != nil {
		return err
	}
	defer d.putBuffer(buf)
	for left := backstore.Len(c.iov) - int64(c.at); left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(left, int64(len(buf)))]
		if kind != ioRead {
			c.gather(part)
		}
		if err := d.full(kind, part, off); err != nil {
			return err
		}
		if kind == ioRead {
			c.scatter(part)
		}
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return nil
}

// full moves all of b.
func (d *device) full(kind ioKind, b []byte, off int64) error {
	one := [1][]byte{b}
	for c := (cursor{iov: one[:]}); c.norm(); {
		n, err := d.once(kind, c, off)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return mapError(err)
		case n == 0:
			return stuck(kind)
		}
		c.skip(n)
		off += int64(n)
	}
	return nil
}

// stuck is the error of a call that moved nothing.
func stuck(kind ioKind) error {
	if kind == ioRead {
		return io.ErrUnexpectedEOF // the device is shorter than the disk
	}
	return io.ErrShortWrite
}

// canNowait finds out whether reads can be tried. Direct I/O always waits for the drive.
func (d *device) canNowait() bool {
	if d.direct {
		return false
	}
	_, err := unix.Preadv2(d.fd, [][]byte{make([]byte, d.blockSize)}, 0, unix.RWF_NOWAIT)
	return err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// tryRead reads what is in the page cache. A part of the range counts for nothing.
func (d *device) tryRead(iov [][]byte, off int64) error {
	for len(iov) > 0 {
		part := iov[:min(len(iov), smallVec)]
		want := backstore.Len(part)
		if want > 0 {
			n, err := unix.Preadv2(d.fd, part, off, unix.RWF_NOWAIT)
			if err != nil || int64(n) != want {
				return backstore.ErrWouldBlock // an error shows again in Readv
			}
		}
		iov, off = iov[len(part):], off+want
	}
	return nil
}

// tryWrite writes to the page cache if that does not wait. What is begun is finished, because a caller
// that is told ErrWouldBlock relies on the old contents.
func (d *device) tryWrite(iov [][]byte, off int64) error {
	c := cursor{iov: iov}
	if !c.norm() {
		return nil
	}
	k := even(c.iov, smallVec, d.blockSize)
	if k == 0 || d.dsync {
		return backstore.ErrWouldBlock
	}
	n, err := unix.Pwritev2(d.fd, c.iov[:k], off, unix.RWF_NOWAIT)
	if err != nil || n <= 0 {
		return backstore.ErrWouldBlock
	}
	return d.finish(c, n, off)
}

// finish writes what follows n bytes at c.
func (d *device) finish(c cursor, n int, off int64) error {
	c.skip(n)
	if !c.norm() {
		return nil
	}
	off += int64(n)
	if c.at > 0 {
		rest := c.iov[0][c.at:]
		if err := d.full(ioWrite, rest, off); err != nil {
			return err
		}
		off += int64(len(rest))
		c.skip(len(rest))
	}
	return d.transfer(context.Background(), ioWrite, c.iov, off)
}

// buffer returns memory that starts at a page, as direct I/O wants it.
func (d *device) buffer() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.buffers); n > 0 {
		b := d.buffers[n-1]
		d.buffers = d.buffers[:n-1]
		return b, nil
	}
	b, err := unix.Mmap(-1, 0, bounceSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, backstore.ErrBusy
	}
	return b, nil
}

func (d *device) putBuffer(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.buffers) == maxIdle {
		_ = unix.Munmap(b)
		return
	}
	d.buffers = append(d.buffers, b)
}

func (d *device) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.buffers {
		_ = unix.Munmap(b)
	}
	d.buffers = nil
	return d.f.Close()
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// mapError turns the system's errors into those of backstore where it has one. Thin volumes
// report that their pool is full by ENOSPC.
func mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return backstore.ErrNoSpace
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return backstore.ErrReadOnly
	case errors.Is(err, unix.EBADE):
		return backstore.ErrFenced // the drive answered RESERVATION CONFLICT
	case errors.Is(err, unix.ENOMEDIUM):
		return backstore.ErrNoMedium
	}
	return err
}

// losesData tells a failed write-back from a write that was refused before it took any data.
func losesData(err error) bool { return errors.Is(err, unix.EIO) }
