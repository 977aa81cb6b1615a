package osfile

import (
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// Loss is the first failure of a write-back, after which nobody can tell what was lost: the system
// forgets it, and what it could not write, when it has told once. The zero value has none. It is
// safe for concurrent use.
type Loss struct {
	err  atomic.Pointer[error]
	told atomic.Bool
}

// Err is the failure, or nil.
func (l *Loss) Err() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Note remembers an error, unless there was one, and returns the first one.
func (l *Loss) Note(err error) error {
	l.err.CompareAndSwap(nil, &err)
	return l.Err()
}

// Tell announces the failure once. No lock is held.
func (l *Loss) Tell(to *backstore.Broadcaster) {
	if err := l.Err(); err != nil && !l.told.Swap(true) {
		to.Send(backstore.Event{Kind: backstore.EventFault, Err: err})
	}
}
