package sgv

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HugePages returns a new Allocator on anonymous mappings that the kernel backs with transparent huge
// pages where it can (MADV_HUGEPAGE), which saves TLB misses when data is copied and page pinning work
// when it is sent. On other systems it is Heap().
//
// The memory is outside the Go heap: GOMEMLIMIT does not see it, and it is unmapped only when its
// buffers are released and no longer cached. A pool that uses it should be closed after use.
func HugePages() Allocator { return newSlotArena(mapHuge, unmap) }

// mapHuge maps n bytes aligned to chunkSize.
func mapHuge(n int) ([]byte, error) {
	// An aligned range is cut out of a larger one and the rest is unmapped.
	size := uintptr(n) + chunkSize
	p, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	head := -uintptr(p) & (chunkSize - 1)
	// The memory is not the garbage collector's, so that pointers into it need no owner.
	start := unsafe.Add(p, head)
	if head > 0 {
		err = unix.MunmapPtr(p, head)
	}
	if tail := chunkSize - head; err == nil && tail > 0 {
		err = unix.MunmapPtr(unsafe.Add(start, n), tail)
	}
	if err != nil {
		return nil, fmt.Errorf("munmap: %w", err)
	}
	mem := unsafe.Slice((*byte)(start), n)
	// Fails on kernels without huge pages; small ones do then.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	return mem, nil
}

// unmap ends what mapHuge has made.
func unmap(mem []byte) {
	// It cannot fail for a range mapped here, and if it did, the memory would only be lost.
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}
