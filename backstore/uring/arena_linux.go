package uring

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func (a *Arena) makeMemory(size int) error {
	all, err := unix.Mmap(-1, 0, size+arenaUnit, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("uring: mapping an arena: %w", err)
	}
	skip := int(-address(all) & (arenaUnit - 1))
	a.mem = all[skip : skip+size : skip+size]
	// Fails on kernels without huge pages; small ones do then.
	_ = unix.Madvise(a.mem, unix.MADV_HUGEPAGE)
	a.unmap = func() error { return unix.Munmap(all) }
	return nil
}

// has reports whether all of b, which is not empty, is memory of the arena. nil has nothing.
func (a *Arena) has(b []byte) bool {
	return a != nil && address(b)-address(a.mem) < uint64(len(a.mem))
}
