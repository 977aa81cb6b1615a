package file

import (
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canMap: 32 bits of address are too few for a disk.
const canMap = strconv.IntSize >= 64

// errNoMap says that the file is not to be mapped.
var errNoMap = errors.New("file: not to be mapped")

// mappable finds out whether the file, which has size bytes, can be lent: its file system has to
// keep mappings and writes coherent, and the system must tell what is in the page cache.
func (h *handle) mappable(size int64) bool {
	if !canMap || h.Direct || !h.coherent {
		return false
	}
	// Where address space is limited, a mapping takes it from the memory of the program.
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) != nil || limit.Cur != unix.RLIM_INFINITY {
		return false
	}
	// A page behind the end of the file is never in the page cache. To those who may not
	// know, because they could not write to the file, the system says that everything is.
	page := int64(os.Getpagesize())
	mem, err := h.mapFile((size+page-1)/page*page, page)
	if err != nil {
		return false
	}
	defer unmapFile(mem)
	var vec [1]byte
	return mincore(mem, vec[:]) == nil && vec[0]&1 == 0
}

// coherentFS tells file systems of which it is known that a mapping shows what was written to
// the file at once, and that keep data in the page cache. Overlayfs makes a copy of a file when
// somebody opens it for writing: who has opened it for reading before reads the copy, but a mapping
// goes on showing what the copy was made of.
func coherentFS(magic uint32, readOnly bool) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC:
		return true
	case unix.OVERLAYFS_SUPER_MAGIC:
		return !readOnly
	}
	return false
}

// reaches reports whether the file has bytes up to end.
func (h *handle) reaches(end int64) bool {
	var st unix.Stat_t
	return unix.Fstat(h.FD, &st) == nil && st.Size >= end
}

// mapFile maps n bytes from off on for reading. Part of it may lie behind the end of the file.
// The system is told nothing of how it will be read: it then goes on reading ahead of whoever
// reads in order, from the mapping as from the file.
func (h *handle) mapFile(off, n int64) ([]byte, error) {
	if !canMap || n > 1<<46 {
		return nil, errNoMap
	}
	return unix.Mmap(h.FD, off, int(n), unix.PROT_READ, unix.MAP_SHARED)
}

func unmapFile(mem []byte) { _ = unix.Munmap(mem) }

// lookUp looks for the pages of mem, at most chunkSize bytes from the start of a page on, in the
// page cache. ok tells whether those of [from, to) are there, missing whether any is not.
func lookUp(mem []byte, from, to int64) (missing, ok bool) {
	page := int64(os.Getpagesize())
	var vec [chunkSize / 4096]byte
	pages := vec[:(int64(len(mem))+page-1)/page]
	if mincore(mem, pages) != nil {
		return true, false
	}
	for i, v := range pages {
		if v&1 != 0 {
			continue
		}
		missing = true
		if at := int64(i) * page; at < to && at+page > from {
			return true, false
		}
	}
	return missing, true
}

// populate makes page table entries for what is in the page cache anyway.
func populate(mem []byte) { _ = unix.Madvise(mem, unix.MADV_POPULATE_READ) }

// mincore asks which of the pages of mem are in the page cache. The system looks at the
// addresses and not at the memory, which is not the collector's and stays mapped meanwhile.
func mincore(mem, vec []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(unsafe.Pointer(&vec[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
