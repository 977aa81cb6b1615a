//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package osfile

import (
	"errors"
	"fmt"
	"syscall"
)

// Lock takes the advisory lock of the file. The error wraps inUse if somebody else has it.
func (f *File) Lock(shared bool, inUse error) error {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	err := syscall.Flock(int(f.F.Fd()), how|syscall.LOCK_NB)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Flock(int(f.F.Fd()), how|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", inUse, f.F.Name())
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", f.F.Name(), err)
	}
	return nil
}
