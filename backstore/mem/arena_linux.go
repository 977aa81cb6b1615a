package mem

import (
	"reflect"
	"syscall"
)

const (
	haveArenas = true
	hugePage   = 2 << 20 // bytes; the alignment that makes huge pages possible
)

// mapArena maps n bytes of zeroed memory outside the Go heap and returns the mapping, for
// unmapArena, and the part of it that is aligned for huge pages. Memory is taken at the first touch.
func mapArena(n int, huge bool) (mapped, usable []byte, err error) {
	mapped, err = syscall.Mmap(-1, 0, n+hugePage, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, nil, err
	}
	skip := int(-reflect.ValueOf(mapped).Pointer() & (hugePage - 1))
	usable = mapped[skip : skip+n : skip+n]
	if huge {
		_ = syscall.Madvise(usable, syscall.MADV_HUGEPAGE) // a kernel without it serves small pages
	}
	return mapped, usable, nil
}

func unmapArena(mapped []byte) { _ = syscall.Munmap(mapped) }

// discardArena has the system take the memory back; it reads as zeroes when it is touched again.
func discardArena(mem []byte) bool { return syscall.Madvise(mem, syscall.MADV_DONTNEED) == nil }
