//go:build !linux

package osfile

import (
	"errors"
	"io/fs"
	"runtime"
	"syscall"

	"github.com/goscst/goscst/backstore"
)

// MapError turns the system's errors into those of backstore where it has one.
func MapError(err error) error {
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

// LosesData tells a failed write-back from a write that was refused before it took any data.
func (f *File) LosesData(err error) bool { return errors.Is(err, syscall.EIO) }

// Cached is true: there is no direct I/O.
func (f *File) Cached() bool { return true }

// Waits is false: only Linux is known to tell one writer of the data of another.
func (f *File) Waits() bool { return false }
