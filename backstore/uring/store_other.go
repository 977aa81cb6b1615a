//go:build !linux

package uring

import (
	"runtime"

	"github.com/goscst/goscst/backstore"
)

// Store is a Backstore on io_uring. There is none on this system.
type Store struct{ backstore.Passthrough }

// Open returns an UnavailableError.
func Open(string, *Options) (*Store, error) {
	return nil, unavailableHere()
}

func unavailableHere() error {
	return &UnavailableError{Reason: "io_uring is of Linux, and this is " + runtime.GOOS}
}

// Submit completes op with an UnavailableError.
func (s *Store) Submit(op *backstore.Op) { op.Complete(&UnavailableError{Reason: "no io_uring"}) }

// Refresh returns an UnavailableError.
func (s *Store) Refresh() error { return &UnavailableError{Reason: "no io_uring"} }
