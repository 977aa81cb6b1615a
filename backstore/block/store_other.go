//go:build !linux

package block

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/goscst/goscst/backstore"
)

// Store is a Backstore on a block device. There is none on this system.
type Store struct{ backstore.Passthrough }

// Open returns an error that wraps errors.ErrUnsupported.
func Open(name string, _ *Options) (*Store, error) {
	return nil, fmt.Errorf("block: opening %s on %s: %w", name, runtime.GOOS, errors.ErrUnsupported)
}

// Refresh returns errors.ErrUnsupported.
func (s *Store) Refresh() error { return errors.ErrUnsupported }
