//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package file

import (
	"errors"
	"fmt"
	"syscall"
)

// lock takes the advisory lock.
func (h *handle) lock(shared bool) error {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	err := syscall.Flock(int(h.f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", ErrInUse, h.f.Name())
	}
	if err != nil {
		return fmt.Errorf("file: locking %s: %w", h.f.Name(), err)
	}
	return nil
}
