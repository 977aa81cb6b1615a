package uring

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
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
	flags := 0
	if opts.WriteThrough && !opts.ReadOnly {
		flags |= unix.O_DSYNC
	}
	if opts.Direct {
		flags |= unix.O_DIRECT
	}
	if device && !opts.Shared {
		flags |= unix.O_EXCL
	}
	f, readOnly, err := osfile.Open(name, flags, opts.ReadOnly)
	for n := 0; errors.Is(err, unix.EBUSY) && n < claimTries; n++ { // see closeFile
		time.Sleep(claimPause)
		f, readOnly, err = osfile.Open(name, flags, opts.ReadOnly)
	}
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: %s", ErrInUse, name)
	}
	if err != nil {
		return err
	}
	s.file.Init(f)
	s.file.Direct, s.file.DSync, s.file.ReadOnly = opts.Direct, opts.WriteThrough, readOnly
	if err := s.look(opts); err != nil {
		_ = s.closeFile()
		return err
	}
	if !readOnly {
		s.file.OpenApart()
	}
	return nil
}

// closeFile gives back what openFile has got, also after it failed. The kernel holds on to the file for a moment
// longer, until it has forgotten the last operation. The lock is given up here; the exclusive use of a device
// ends with that moment, which openFile waits for.
func (s *Store) closeFile() error {
	_ = unix.Flock(s.file.FD, unix.LOCK_UN)
	return s.file.Close()
}

// look locks what is open and fills in the geometry.
func (s *Store) look(opts *Options) error {
	var st unix.Stat_t
	if err := unix.Fstat(s.file.FD, &st); err != nil {
		return fmt.Errorf("uring: looking at %s: %w", s.file.F.Name(), err)
	}
	g := &backstore.Geometry{
		BlockSize: opts.BlockSize, PhysBlockSize: opts.PhysBlockSize,
		ReadOnly: s.file.Protected(), Volatile: !opts.WriteThrough, Without: opts.Without,
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = s.lookAtFile(g, opts, &st)
	case unix.S_IFBLK:
		err = s.lookAtDevice(g, opts, osfile.QueueOf(uint64(st.Rdev))) //nolint:unconvert // its type differs between architectures
	default:
		err = fmt.Errorf("uring: %s is neither a regular file nor a block device", s.file.F.Name())
	}
	if err != nil {
		return err
	}
	if g.PhysBlockSize == 0 {
		g.PhysBlockSize = max(4096, g.BlockSize)
	}
	if err := g.Validate(); err != nil { // the size is not known yet
		return err
	}
	if s.file.Direct && g.BlockSize%s.file.Unit != 0 {
		return fmt.Errorf("uring: direct I/O on %s needs blocks of %d bytes, not %d", s.file.F.Name(), s.file.Unit, g.BlockSize)
	}
	s.file.BlockSize = g.BlockSize
	if g.Size, err = s.length(); err != nil {
		return err
	}
	if err := s.tryRead(g); err != nil {
		return err
	}
	s.base.Init(&s.file, &s.Broadcaster, *g)
	return nil
}

func (s *Store) lookAtFile(g *backstore.Geometry, opts *Options, st *unix.Stat_t) error {
	if !opts.Shared {
		if err := s.file.Lock(opts.ReadOnly, ErrInUse); err != nil {
			return err
		}
	}
	s.file.FileSystem()
	if g.BlockSize == 0 {
		g.BlockSize = 512
	}
	s.file.Unit = 512
	if n, known := s.file.DirectUnit(); s.file.Direct && known {
		if n == 0 {
			return fmt.Errorf("uring: %s does not support direct I/O", s.file.F.Name())
		}
		s.file.Unit = n
	}
	unit := int64(st.Blksize) //nolint:unconvert // its type differs between architectures
	if unit <= 0 {
		unit = 4096
	}
	if unit%int64(g.BlockSize) == 0 {
		g.DiscardUnit = int(unit)
	}
	if !opts.ReadOnly && !s.file.CanPunch(st.Size, unit) {
		g.Without |= backstore.CapUnmap
	}
	return nil
}

func (s *Store) lookAtDevice(g *backstore.Geometry, opts *Options, q osfile.Queue) error {
	n, err := unix.IoctlGetInt(s.file.FD, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("uring: block size of %s: %w", s.file.F.Name(), err)
	}
	s.file.Unit = n
	if g.BlockSize == 0 {
		g.BlockSize = n
	}
	if g.BlockSize < n {
		return fmt.Errorf("uring: %s has blocks of %d bytes, which cannot make blocks of %d", s.file.F.Name(), n, g.BlockSize)
	}
	if n, err := unix.IoctlGetInt(s.file.FD, unix.BLKPBSZGET); err == nil && g.PhysBlockSize == 0 && n&(n-1) == 0 {
		g.PhysBlockSize = max(n, g.BlockSize)
	}
	// Only a device with a command that writes zeroes frees blocks so that they read as zeroes.
	if q.Number("write_zeroes_max_bytes") == 0 {
		g.Without |= backstore.CapUnmap
	}
	if opts.Shared { // the kernel refuses both while somebody else uses the device exclusively
		g.Without |= backstore.CapUnmap | backstore.CapZero
	}
	if opts.Direct && q.WriteThrough() { // the page cache may hold what is written
		g.Volatile = false
	}
	g.Rotational = q.Number("rotational") != 0
	return nil
}

// length is how many bytes in whole blocks the file has now.
func (s *Store) length() (int64, error) {
	n, err := unix.Seek(s.file.FD, 0, unix.SEEK_END) // also works on devices
	if err != nil {
		return 0, fmt.Errorf("uring: size of %s: %w", s.file.F.Name(), err)
	}
	return n &^ int64(s.file.BlockSize-1), nil
}

// tryRead reads a block, because the system may have its own idea of alignment, and finds out
// whether reads can be tried without blocking. Direct I/O always waits for the drive.
func (s *Store) tryRead(g *backstore.Geometry) error {
	if g.Size == 0 {
		return nil
	}
	err := s.file.Probe(g.Size-int64(g.BlockSize), g.BlockSize)
	if s.file.Direct && errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("uring: direct I/O on %s does not work with blocks of %d bytes", s.file.F.Name(), g.BlockSize)
	}
	if err != nil {
		return fmt.Errorf("uring: reading %s: %w", s.file.F.Name(), err)
	}
	if !s.file.CanNowait() {
		g.Without |= backstore.CapNowait
	}
	return nil
}

// Refresh looks at the size and the write protection of a device again, which somebody else may have changed,
// and announces what is new. Only whole blocks count.
func (s *Store) Refresh() error {
	return s.base.Refresh(func() (size int64, readOnly bool, err error) {
		size, err = s.length()
		return size, s.file.Protected(), err
	})
}
