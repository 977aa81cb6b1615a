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
	// Whoever has had the descriptor from (*net.TCPConn).File may have made the socket one whose
	// calls wait, which a brief call must not.
	var set error
	if err := rc.Control(func(fd uintptr) { set = unix.SetNonblock(int(fd), true) }); err != nil || set != nil {
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

// peerGone reports whether the peer has closed the connection, whatever there is still to be read.
func peerGone(fd uintptr) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p[:], 0)
	return err == nil && n > 0
}

// wouldBlock reports whether err says that a call on the descriptor would have waited.
func wouldBlock(err error) bool { return err == unix.EAGAIN }

// A brief call is made without telling Go's scheduler, which otherwise notes the begin and the end
// of every system call. That is cheap, but what it leads to is not: the first call after the process
// has slept wakes the thread that watches over goroutines, and when a call takes longer than that
// thread's next look, it gives the processor to another thread, which finds nothing to do. The one
// costs a fifth of the time that a command takes of an initiator that sends one at a time, the other
// as much of what 256 KiB take to be sent. A call that cannot wait is work like any other, so
// it may keep the processor; but the watcher has to be awake when there is more than a little, or
// nobody takes the processor from those who do not let go of it: see receiver.brief.

// readOnce reads into p; 0 bytes and io.EOF at the end of the stream.
func readOnce(fd uintptr, p []byte, brief bool) (int, error) {
	for {
		var n int
		var err error
		if brief {
			var errno unix.Errno
			n, errno = call(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), true)
			if errno != 0 {
				err = errno
			}
		} else {
			n, err = unix.Read(int(fd), p) // shows the race detector what it does
		}
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
		n, errno := call(unix.SYS_READV, fd, unsafe.Pointer(&vec[0]), len(vec), false)
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
// their kernel form. It may be memory that only the system may read
// (scsi.Command.DataMapped), which a brief call must not wait for.
func writevOnce(fd uintptr, bufs [][]byte, vec []iovec, brief bool) (int, error) {
	vec = fillVec(vec, bufs)
	for {
		n, errno := call(unix.SYS_WRITEV, fd, unsafe.Pointer(&vec[0]), len(vec), brief)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EFAULT:
			return 0, errLostMemory
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

// call makes a read, readv or writev call. The kernel uses the memory at p, and what is described
// there, during the call alone; the callers hold both, as typed pointers that the collector sees,
// until it has returned. x/sys has no form of the vectored calls that takes iovecs, and those that
// take slices allocate.
func call(trap, fd uintptr, p unsafe.Pointer, n int, brief bool) (int, unix.Errno) {
	if brief {
		r, _, errno := unix.RawSyscall(trap, fd, uintptr(p), uintptr(n))
		return int(r), errno
	}
	r, _, errno := unix.Syscall(trap, fd, uintptr(p), uintptr(n))
	return int(r), errno
}
