package wire

import (
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// system is a blocking descriptor.
type system struct {
	fd  int
	vec []unix.Iovec // what writeAlone is sending
}

// open duplicates the descriptor of t. The copy is not known to the runtime's poller, and calls
// on either block in the kernel from now on: that is a property of what both refer to. A socket
// with the option Alone closes the other one, or each arrival of data would wake the poller too.
func (s *Socket) open(t *net.TCPConn, patience time.Duration) error {
	c, err := t.SyscallConn()
	if err != nil {
		return err
	}
	if err2 := c.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err2 != nil {
		return err2
	}
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	err = os.NewSyscallError("fcntl", unix.SetNonblock(s.fd, false))
	tv := unix.NsecToTimeval(int64(patience))
	for _, opt := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err == nil && patience > 0 {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, opt, &tv))
		}
	}
	if err == nil && s.alone {
		err = t.Close()
	}
	if err != nil {
		_ = unix.Close(s.fd)
	}
	return err
}

// Read reads what is there, at least one byte.
func (s *Socket) Read(b []byte) (n int, err error) {
	for {
		if s.alone {
			n, err = rawCall(unix.SYS_READ, s.fd, b)
		} else {
			n, err = unix.Read(s.fd, b)
		}
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err != unix.EINTR:
			return 0, s.failed("read", err)
		}
	}
}

// Write writes all of b.
func (s *Socket) Write(b []byte) (n int, err error) {
	for done := 0; done < len(b); {
		if s.alone {
			n, err = rawCall(unix.SYS_WRITE, s.fd, b[done:])
		} else {
			n, err = unix.Write(s.fd, b[done:])
		}
		if err != nil && err != unix.EINTR {
			return done, s.failed("write", err)
		}
		done += max(n, 0)
	}
	return len(b), nil
}

// writeAlone writes all of bufs, whose elements it changes.
func (s *Socket) writeAlone(bufs [][]byte) error {
	for len(bufs) > 0 {
		n, err := s.rawVector(bufs)
		if err != nil && err != unix.EINTR {
			return s.failed("writev", err)
		}
		bufs = advance(bufs, max(n, 0))
	}
	return nil
}

// Interrupt ends the connection: whoever waits in a call returns.
func (s *Socket) Interrupt() { _ = unix.Shutdown(s.fd, unix.SHUT_RDWR) }

// Close closes the connection. Nobody may use it then.
func (s *Socket) Close() error {
	_ = s.conn.Close() // the other descriptor, if it is there still: the connection is over with both
	return os.NewSyscallError("close", unix.Close(s.fd))
}

func (s *Socket) failed(call string, err error) error {
	if err == unix.EAGAIN {
		return timeout(s.patience)
	}
	return os.NewSyscallError(call, err)
}
