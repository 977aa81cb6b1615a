//go:build !linux

package load

import (
	"errors"
	"fmt"
	"time"
)

// CPUTime returns 0 for no process; here is no way to ask for another's.
func CPUTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	return 0, fmt.Errorf("CPU time of process %d: %w", pid, errors.ErrUnsupported)
}
