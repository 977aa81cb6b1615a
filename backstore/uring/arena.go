package uring

import (
	"fmt"
	"sync"
)

// Limits of an Arena, in bytes: what huge pages make of it, and what the kernel registers in one piece.
const (
	arenaUnit = 2 << 20
	maxArena  = 1 << 30
)

// Arena is memory for data that stores register with their rings (see [Options.Arena]), so that the kernel
// does not have to find and pin its pages for each transfer. It is safe for concurrent use.
type Arena struct {
	mem []byte // aligned to arenaUnit

	mu     sync.Mutex
	stores int  // guarded by mu; that have registered it
	closed bool // guarded by mu
	unmap  func() error
}

// NewArena maps an arena of size bytes, from 2 MiB to 1 GiB, rounded up to a multiple of 2 MiB; in huge pages where
// the kernel has some. All of it is pinned in memory as soon as a store has registered it, and counts towards
// RLIMIT_MEMLOCK for each of these stores, unless the program may lock what it likes (CAP_IPC_LOCK). Where
// there is no io_uring, the error is an *UnavailableError.
func NewArena(size int) (*Arena, error) {
	if size < arenaUnit || size > maxArena {
		return nil, fmt.Errorf("uring: arena of %d bytes: %d to %d are allowed", size, arenaUnit, maxArena)
	}
	a := &Arena{}
	if err := a.makeMemory((size + arenaUnit - 1) &^ (arenaUnit - 1)); err != nil {
		return nil, err
	}
	return a, nil
}

// Bytes is the memory, for sgv.Carve to make buffers of, or for whatever else is to be moved. It begins at a multiple
// of 2 MiB, and nobody may use it after Close.
func (a *Arena) Bytes() []byte { return a.mem }

// Close gives the memory back. It fails, and does nothing, while a store that has registered it is open. Nothing
// tells it whether others still use it, such as buffers of a pool.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stores > 0 {
		return fmt.Errorf("uring: closing an arena: %w by %d stores", errArenaInUse, a.stores)
	}
	if a.closed {
		return nil
	}
	a.closed = true
	return a.unmap()
}

// hold and release tell the arena that a store uses it.
func (a *Arena) hold() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errArenaClosed
	}
	a.stores++
	return nil
}

func (a *Arena) release() {
	a.mu.Lock()
	a.stores--
	a.mu.Unlock()
}
