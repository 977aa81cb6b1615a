package osfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a file or device for reading and writing; or for reading, if readOnly says so or it is a device
// that is write-protected, and tells which.
func Open(name string, flags int, readOnly bool) (f *os.File, ro bool, err error) {
	if readOnly {
		f, err = os.OpenFile(name, unix.O_RDONLY|flags, 0)
		return f, true, err
	}
	f, err = os.OpenFile(name, unix.O_RDWR|flags, 0)
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EROFS) {
		return f, false, err
	}
	f, roErr := os.OpenFile(name, unix.O_RDONLY|flags, 0)
	if roErr != nil {
		return nil, false, err
	}
	if !protected(int(f.Fd())) {
		_ = f.Close()
		return nil, false, err
	}
	return f, true, nil
}

// Protected reports whether what is open takes no writes now.
func (f *File) Protected() bool { return f.ReadOnly || protected(f.FD) }

// protected is false for what is not a block device.
func protected(fd int) bool {
	ro, err := unix.IoctlGetInt(fd, unix.BLKROGET)
	return err == nil && ro != 0
}
