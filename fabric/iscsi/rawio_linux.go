package iscsi

import (
	"errors"
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVec is how many pieces of memory one vectored call moves: IOV_MAX.
const maxVec = 1024

// iovec is a piece of memory as the kernel takes it.
type iovec = unix.Iovec

// rawConn returns what moves data on nc's descriptor without waiting, or nil if nc is
// anything but a plain socket: a wrapper's own Read and Write must not be bypassed.
func rawConn(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch x := nc.(type) {
	case *net.TCPConn:
		sc = x
	case *net.UnixConn:
		sc = x
	default:
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return rc
}

// setCongestion chooses the congestion control of a connection.
func setCongestion(nc *net.TCPConn, name string) error {
	rc, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = rc.Control(func(fd uintptr) {
		set = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
	return errors.Join(err, set)
}

// wouldBlock reports whether err says that a call on the descriptor would have waited.
func wouldBlock(err error) bool { return err == unix.EAGAIN }

// readOnce reads into p; 0 bytes and io.EOF at the end of the stream.
func readOnce(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// readvOnce reads into bufs in order. vec is memory for their kernel form.
func readvOnce(fd uintptr, bufs [][]byte, vec []iovec) (int, error) {
	vec = fillVec(vec, bufs)
	for {
		n, errno := vectored(unix.SYS_READV, fd, vec)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// writevOnce writes bufs in order, as far as the socket takes them. vec is memory for
// their kernel form.
func writevOnce(fd uintptr, bufs [][]byte, vec []iovec) (int, error) {
	vec = fillVec(vec, bufs)
	for {
		n, errno := vectored(unix.SYS_WRITEV, fd, vec)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return 0, errno
		default:
			return n, nil
		}
	}
}

// fillVec describes as many of bufs, none of which is empty, as vec has room for.
func fillVec(vec []iovec, bufs [][]byte) []iovec {
	n := min(len(bufs), cap(vec))
	vec = vec[:n]
	for i := range vec {
		vec[i].Base = &bufs[i][0]
		vec[i].SetLen(len(bufs[i]))
	}
	return vec
}

// vectored makes a readv or writev call. The kernel uses vec and the memory that it
// describes during the call alone; the callers hold both, as typed pointers that the
// collector sees, until it has returned. x/sys has no form of these calls that takes
// iovecs, and those that take slices allocate.
func vectored(trap, fd uintptr, vec []iovec) (int, unix.Errno) {
	n, _, errno := unix.Syscall(trap, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)))
	return int(n), errno
}
