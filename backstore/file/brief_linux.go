package file

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBrief is how much is read by a brief call at most, in bytes: some microseconds' worth.
const maxBrief = 64 << 10

// readBrief reads at off what the page cache has of p, and returns how many bytes that are; less
// than it has to be means nothing. The call cannot wait, so it is made without telling Go's
// scheduler: the first call that it is told of after the process has slept wakes the thread that
// watches over calls that block, which takes longer than to read 4 KiB.
func (h *handle) readBrief(p []byte, off int64) int {
	flags := uintptr(unix.RWF_NOWAIT)
	if h.memory {
		flags = 0 // which file systems in memory refuse, and do not need
	}
	var vec unix.Iovec
	vec.Base = unsafe.SliceData(p)
	vec.SetLen(len(p))
	const half = 8 * unix.SizeofLong / 2 // of a register, so that no shift is as wide as one
	low, high := uintptr(off), uintptr(uint64(off)>>half>>half)
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(h.fd), uintptr(unsafe.Pointer(&vec)), 1, low, high, flags)
	if errno != 0 {
		return -1
	}
	return int(n)
}
