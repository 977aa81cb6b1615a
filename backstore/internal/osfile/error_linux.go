package osfile

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// Retry repeats a system call that a signal has interrupted.
func Retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// MapError turns the system's errors into those of backstore where it has one. Thin volumes
// report that their pool is full by ENOSPC.
func MapError(err error) error {
	switch {
	case err == nil:
		return nil
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

// LosesData tells the error of a write that waits until it is durable, when it may be that of a
// write-back, from one that has refused the write before it took any data. The page cache passes on
// whatever a device has answered, for which the system has many numbers; past it an error is that of
// the write itself, but for what flushes the device.
func (f *File) LosesData(err error) bool {
	var no unix.Errno
	switch {
	case !errors.As(err, &no):
		return f.Cached() && errors.Is(err, backstore.ErrFenced)
	case f.Direct:
		return no == unix.EIO
	case isUnsupported(no):
		return false
	}
	switch no {
	case unix.EINTR, unix.EAGAIN, unix.ENOMEM, unix.EINVAL, unix.EBADF, unix.EFAULT,
		unix.ENOSPC, unix.EDQUOT, unix.EFBIG, // a flush finds out
		unix.EROFS, unix.EPERM, unix.EACCES, unix.ENOMEDIUM:
		return false
	}
	return true
}

// Cached reports whether what is written goes through the page cache.
func (f *File) Cached() bool { return !f.Direct }

// Waits reports whether every write waits until the page cache has written it back: its error may be
// that of other data.
func (f *File) Waits() bool { return f.DSync && f.Cached() }
