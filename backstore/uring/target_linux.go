package uring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// How often, and after which pauses, exclusive use of a device is asked for again.
const (
	claimTries = 20
	claimPause = time.Millisecond
)

// openFile opens a file or device, locks it, and finds out its geometry.
func (s *Store) openFile(name string, opts *Options) error {
	st, err := os.Stat(name) // what is neither may do anything when it is opened
	if err != nil {
		return err
	}
	device := st.Mode()&os.ModeType == os.ModeDevice
	if !device && !st.Mode().IsRegular() {
		return fmt.Errorf("uring: %s is neither a regular file nor a block device", name)
	}
	flags := os.O_RDWR
	if opts.ReadOnly {
		flags = os.O_RDONLY
	} else if opts.WriteThrough {
		flags |= unix.O_DSYNC
	}
	if opts.Direct {
		flags |= unix.O_DIRECT
	}
	if device && !opts.Shared {
		flags |= unix.O_EXCL
	}
	s.f, err = os.OpenFile(name, flags, 0)
	for n := 0; errors.Is(err, unix.EBUSY) && n < claimTries; n++ { // see closeFile
		time.Sleep(claimPause)
		s.f, err = os.OpenFile(name, flags, 0)
	}
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: %s", ErrInUse, name)
	}
	if err != nil {
		return err
	}
	s.fd, s.direct = int(s.f.Fd()), opts.Direct
	err = s.look(opts)
	if err != nil {
		_ = s.closeFile()
	}
	return err
}

// closeFile gives back what openFile has got, also after it failed. The kernel holds on to the file for a moment
// longer, until it has forgotten the last operation. The lock is given up here; the exclusive use of a device
// ends with that moment, which openFile waits for.
func (s *Store) closeFile() error {
	s.dropBuffers()
	_ = unix.Flock(s.fd, unix.LOCK_UN)
	return s.f.Close()
}

// look locks what is open and fills in the geometry.
func (s *Store) look(opts *Options) error {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return fmt.Errorf("uring: looking at %s: %w", s.f.Name(), err)
	}
	s.geo = backstore.Geometry{
		BlockSize: opts.BlockSize, PhysBlockSize: opts.PhysBlockSize,
		ReadOnly: opts.ReadOnly, Volatile: !opts.ReadOnly && !opts.WriteThrough, Without: opts.Without,
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = s.lookAtFile(opts, &st)
	case unix.S_IFBLK:
		err = s.lookAtDevice(opts, uint64(st.Rdev)) //nolint:unconvert // its type differs between architectures
	default:
		err = fmt.Errorf("uring: %s is neither a regular file nor a block device", s.f.Name())
	}
	if err != nil {
		return err
	}
	g := &s.geo
	if g.PhysBlockSize == 0 {
		g.PhysBlockSize = max(4096, g.BlockSize)
	}
	if err := g.Validate(); err != nil { // the size is not known yet
		return err
	}
	if s.direct && g.BlockSize%s.unit != 0 {
		return fmt.Errorf("uring: direct I/O on %s needs blocks of %d bytes, not %d", s.f.Name(), s.unit, g.BlockSize)
	}
	if g.Size, err = s.length(); err != nil {
		return err
	}
	s.size.Store(g.Size)
	if g.Size > 0 {
		return s.tryRead()
	}
	return nil
}

func (s *Store) lookAtFile(opts *Options, st *unix.Stat_t) error {
	if !opts.Shared {
		how := unix.LOCK_EX
		if opts.ReadOnly {
			how = unix.LOCK_SH
		}
		err := retry(func() error { return unix.Flock(s.fd, how|unix.LOCK_NB) })
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%w: %s", ErrInUse, s.f.Name())
		}
		if err != nil {
			return fmt.Errorf("uring: locking %s: %w", s.f.Name(), err)
		}
	}
	g := &s.geo
	if g.BlockSize == 0 {
		g.BlockSize = 512
	}
	s.unit = 512
	var sx unix.Statx_t
	if s.direct && unix.Statx(s.fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &sx) == nil && sx.Mask&unix.STATX_DIOALIGN != 0 {
		if sx.Dio_offset_align == 0 {
			return fmt.Errorf("uring: %s does not support direct I/O", s.f.Name())
		}
		s.unit = int(sx.Dio_offset_align)
	}
	unit := int64(st.Blksize) //nolint:unconvert // its type differs between architectures
	if unit <= 0 {
		unit = 4096
	}
	if unit%int64(g.BlockSize) == 0 {
		g.DiscardUnit = int(unit)
	}
	if opts.ReadOnly {
		return nil
	}
	// Behind the end of the file there is nothing to punch a hole into.
	end := (st.Size + unit - 1) / unit * unit
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if retry(func() error { return unix.Fallocate(s.fd, mode, end, unit) }) != nil {
		g.Without |= backstore.CapUnmap
	}
	return nil
}

func (s *Store) lookAtDevice(opts *Options, dev uint64) error {
	n, err := unix.IoctlGetInt(s.fd, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("uring: block size of %s: %w", s.f.Name(), err)
	}
	s.unit = n
	g := &s.geo
	if g.BlockSize == 0 {
		g.BlockSize = n
	}
	if g.BlockSize < n {
		return fmt.Errorf("uring: %s has blocks of %d bytes, which cannot make blocks of %d", s.f.Name(), n, g.BlockSize)
	}
	if n, err := unix.IoctlGetInt(s.fd, unix.BLKPBSZGET); err == nil && g.PhysBlockSize == 0 && n&(n-1) == 0 {
		g.PhysBlockSize = max(n, g.BlockSize)
	}
	if ro, err := unix.IoctlGetInt(s.fd, unix.BLKROGET); err == nil && ro != 0 {
		g.ReadOnly, g.Volatile = true, false
	}
	// Only a device with a command that writes zeroes frees blocks so that they read as zeroes.
	if limit := readLimit(dev, "write_zeroes_max_bytes"); limit == "" || limit == "0" {
		g.Without |= backstore.CapUnmap
	}
	if opts.Shared { // the kernel refuses both while somebody else uses the device exclusively
		g.Without |= backstore.CapUnmap | backstore.CapZero
	}
	g.Rotational = readLimit(dev, "rotational") == "1"
	return nil
}

// readLimit returns a limit of a device's queue from sysfs, or "". A partition has those of its disk.
func readLimit(dev uint64, name string) string {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))
	for _, q := range []string{"/queue/", "/../queue/"} {
		if b, err := os.ReadFile(dir + q + name); err == nil { // the kernel goes through the link, then up
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// length is how many bytes in whole blocks the file has now.
func (s *Store) length() (int64, error) {
	n, err := unix.Seek(s.fd, 0, unix.SEEK_END) // also works on devices
	if err != nil {
		return 0, fmt.Errorf("uring: size of %s: %w", s.f.Name(), err)
	}
	return n &^ int64(s.geo.BlockSize-1), nil
}

// tryRead reads a block, because the system may have its own idea of alignment, and finds out
// whether reads can be tried without blocking. Direct I/O always waits for the drive.
func (s *Store) tryRead() error {
	buf, err := s.getBuffer()
	if err != nil {
		return err
	}
	defer s.putBuffer(buf)
	b := buf[:s.geo.BlockSize]
	err = retry(func() error { _, err := unix.Pread(s.fd, b, s.geo.Size-int64(len(b))); return err })
	if s.direct && errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("uring: direct I/O on %s does not work with blocks of %d bytes", s.f.Name(), len(b))
	}
	if err != nil {
		return fmt.Errorf("uring: reading %s: %w", s.f.Name(), err)
	}
	_, err = unix.Preadv2(s.fd, [][]byte{b}, 0, unix.RWF_NOWAIT)
	if s.direct || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		s.geo.Without |= backstore.CapNowait
	}
	return nil
}

// Refresh looks at the size again, which somebody else may have changed, and announces a new one. Only
// whole blocks count.
func (s *Store) Refresh() error {
	s.active.RLock()
	if s.closed {
		s.active.RUnlock()
		return backstore.ErrClosed
	}
	size, err := s.length()
	s.active.RUnlock()
	if err == nil && s.size.Swap(size) != size {
		s.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	return err
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
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return backstore.ErrNoSpace
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return backstore.ErrReadOnly
	case errors.Is(err, unix.EBADE):
		return backstore.ErrFenced // a drive answered RESERVATION CONFLICT
	case errors.Is(err, unix.ENOMEDIUM):
		return backstore.ErrNoMedium
	}
	return err
}

// losesData tells a failed write-back from a write that was refused before it took any data.
func losesData(no unix.Errno) bool { return no == unix.EIO }
