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

// LosesData tells a failed write-back from a write that was refused before it took any data.
func LosesData(err error) bool { return errors.Is(err, unix.EIO) }
