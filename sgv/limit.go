package sgv

import (
	"errors"
	"sync/atomic"
)

// Errors of Limit and Get that say why memory was refused.
var (
	// ErrLimit means that a limit is reached now; the same request may succeed later.
	ErrLimit = errors.New("sgv: memory limit reached")
	// ErrTooLarge means that a request alone exceeds a limit, or MaxLen: it can never
	// succeed, and asking for a retry would keep an initiator busy forever.
	ErrTooLarge = errors.New("sgv: request exceeds the memory limit")
)

// Limit bounds the bytes outstanding under it. Limits nest: what is charged to one is charged to
// its ancestors too, and is granted only if each of them has room. A Limit refuses, it never
// blocks. Buffers are charged with their capacity (see [Pool.Cost]), because that is the memory
// they hold. The zero value bounds nothing and counts. Safe for concurrent use.
//
// Accounting is exact: Used never exceeds Max (unless SetMax lowers it below), also not for an
// instant, so that concurrent requests that fit are not refused for the sake of one that does not.
// The exception is a request that a child grants and its parent refuses: until it is undone, the
// child counts it.
type Limit struct {
	used    atomic.Int64
	max     atomic.Int64 // <= 0: unbounded
	refused atomic.Uint64
	parent  *Limit
	_       [96]byte // limits of different sessions do not share a cache line
}

// NewLimit returns a Limit of max bytes under parent. max <= 0 sets no bound of its own, parent nil
// means none.
func NewLimit(max int64, parent *Limit) *Limit {
	l := &Limit{parent: parent}
	l.max.Store(max)
	return l
}

// Used returns the bytes charged at the moment.
func (l *Limit) Used() int64 { return l.used.Load() }

// Max returns the bound in bytes; <= 0 means none.
func (l *Limit) Max() int64 { return l.max.Load() }

// SetMax changes the bound. What is charged already stays, also when it exceeds max.
func (l *Limit) SetMax(max int64) { l.max.Store(max) }

// Parent returns the limit above l, or nil.
func (l *Limit) Parent() *Limit { return l.parent }

// Refused returns how many requests this limit itself has refused.
func (l *Limit) Refused() uint64 { return l.refused.Load() }

// Acquire charges n bytes of memory that does not come from a Pool to l and its ancestors. It fails
// with ErrLimit or ErrTooLarge, charging nothing; a negative n panics.
// Each success is paired with a Release.
func (l *Limit) Acquire(n int64) error {
	if n < 0 {
		panic("sgv: Limit.Acquire of a negative size")
	}
	return l.charge(n)
}

// Release takes back a charge made by Acquire. Releasing more than is charged panics.
func (l *Limit) Release(n int64) {
	if n < 0 {
		panic("sgv: Limit.Release of a negative size")
	}
	l.uncharge(n, nil)
}

// charge adds n bytes to l and all its ancestors, or to none.
func (l *Limit) charge(n int64) error {
	for at := l; at != nil; at = at.parent {
		if !at.add(n) {
			l.uncharge(n, at)
			at.refused.Add(1)
			if l.tooLarge(n) {
				return ErrTooLarge
			}
			return ErrLimit
		}
	}
	return nil
}

// tooLarge tells whether n bytes exceed l or an ancestor even when nothing is charged.
func (l *Limit) tooLarge(n int64) bool {
	for at := l; at != nil; at = at.parent {
		if max := at.max.Load(); max > 0 && n > max {
			return true
		}
	}
	return false
}

// add adds n bytes to l alone if there is room.
func (l *Limit) add(n int64) bool {
	if l.max.Load() <= 0 {
		l.used.Add(n)
		return true
	}
	for {
		used, max := l.used.Load(), l.max.Load()
		if max > 0 && n > max-used {
			return false
		}
		if l.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// uncharge subtracts n bytes from l and its ancestors below end.
func (l *Limit) uncharge(n int64, end *Limit) {
	for at := l; at != end; at = at.parent {
		if at.used.Add(-n) < 0 {
			panic("sgv: Limit released more than it was charged")
		}
	}
}
