package block

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// device is the open device.
type device struct {
	osfile.File
	queue osfile.Queue
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
	if opts.WriteThrough && !opts.ReadOnly {
		flags |= unix.O_DSYNC
	}
	// What is not a block device may do anything when it is opened: look first.
	if err := checkType(name); err != nil {
		return nil, err
	}
	f, readOnly, err := osfile.Open(name, flags, opts.ReadOnly)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, name)
	}
	if err != nil {
		return nil, err
	}
	d := &device{}
	d.Init(f)
	d.ReadOnly, d.Direct, d.DSync = readOnly, !opts.Buffered, opts.WriteThrough
	if err := d.look(); err != nil {
		_ = f.Close()
		return nil, err
	}
	if !d.ReadOnly {
		d.OpenApart()
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
	if err := unix.Fstat(d.FD, &st); err != nil {
		return fmt.Errorf("block: looking at %s: %w", d.F.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return fmt.Errorf("block: %s is not a block device", d.F.Name())
	}
	n, err := ioctlGet[int32](d.FD, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("block: block size of %s: %w", d.F.Name(), err)
	}
	if n < backstore.MinBlockSize || n&(n-1) != 0 {
		return fmt.Errorf("block: %s has blocks of %d bytes", d.F.Name(), n)
	}
	d.Unit = int(n)
	d.queue = osfile.QueueOf(uint64(st.Rdev)) //nolint:unconvert // its type differs between architectures
	return nil
}

// size is how many bytes in whole blocks the device has now.
func (d *device) size() (int64, error) {
	n, err := ioctlGet[uint64](d.FD, unix.BLKGETSIZE64)
	if err != nil {
		return 0, fmt.Errorf("block: size of %s: %w", d.F.Name(), err)
	}
	return int64(n) &^ int64(d.BlockSize-1), nil
}
