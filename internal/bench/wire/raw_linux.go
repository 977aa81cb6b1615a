package wire

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVector is how many buffers one system call takes: IOV_MAX.
const maxVector = 1024

// rawCall does read(2) or write(2) without telling the scheduler: the thread sleeps in the
// kernel and keeps what it needs to go on at once. The kernel uses the memory of b only during
// the call, and the conversion stands in the argument list, which keeps it alive that long.
func rawCall(number uintptr, fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// rawVector does one writev(2) in the same way. The vector holds ordinary pointers, which keep
// the buffers alive.
func (s *Socket) rawVector(bufs [][]byte) (int, error) {
	s.vec = s.vec[:0]
	for _, b := range bufs[:min(len(bufs), maxVector)] {
		v := unix.Iovec{Base: unsafe.SliceData(b)}
		v.SetLen(len(b))
		s.vec = append(s.vec, v)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(s.vec))), uintptr(len(s.vec)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
