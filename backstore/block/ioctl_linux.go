package block

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctlGet asks the device for a number of the type that the request writes: the kernel knows
// nothing of the size of what it is pointed to.
func ioctlGet[T uint16 | int32 | uint32 | uint64](fd int, request uint) (T, error) {
	var v T
	// v is as large as the request writes and alive until the call has returned.
	_, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&v)))
	if no != 0 {
		return 0, fmt.Errorf("ioctl %#x: %w", request, no)
	}
	return v, nil
}

// ioctlRange makes a request about a range of bytes.
func ioctlRange(fd int, request uint, off, n int64) error {
	r := [2]uint64{uint64(off), uint64(n)}
	// BLKDISCARD and BLKZEROOUT read two numbers of 64 bits; r is alive until the call has returned.
	_, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&r)))
	if no != 0 {
		return no
	}
	return nil
}
