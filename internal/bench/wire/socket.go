package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// Socket is one end of a TCP connection. Where the system allows it, its methods are blocking
// system calls and nothing else: a thread sleeps in the kernel, as that of a C program does,
// and no poller takes part. One goroutine reads and writes; Interrupt may come from any.
type Socket struct {
	system
	conn     *net.TCPConn
	patience time.Duration
	alone    bool
	bufs     net.Buffers // what Writev is sending
}

// Options are how a socket behaves. The zero value waits for ever.
type Options struct {
	// Patience is how long a call waits for the peer before it fails. 0: for ever.
	Patience time.Duration
	// Alone makes the calls without the knowledge of the scheduler, which costs less. It is for
	// processes that do nothing else and have called [Alone]: a thread in such a call holds up a
	// garbage collection until the peer sends something. Without effect on systems but Linux.
	Alone bool
}

// Alone prepares the process for that many sockets with the option Alone: it ends garbage
// collection and lets each socket have a thread.
func Alone(sockets int) {
	const others = 16 // goroutines that do not block in the kernel
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(sockets + others)
}

// Dial connects to a TCP address, HOST:PORT.
func Dial(ctx context.Context, addr string, opt Options) (*Socket, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewSocket(c, opt)
}

// NewSocket takes a TCP connection over, also if it fails.
func NewSocket(c net.Conn, opt Options) (*Socket, error) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("%T is no TCP connection", c)
	}
	s := &Socket{conn: t, patience: opt.Patience, alone: opt.Alone}
	if err := s.open(t, opt.Patience); err != nil {
		_ = c.Close()
		return nil, err
	}
	return s, nil
}

// Until makes the end of ctx interrupt s. The function that it returns, to be called before
// Close, ends that.
func (s *Socket) Until(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.Interrupt()
		close(done)
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// ReadFull fills b.
func (s *Socket) ReadFull(b []byte) error {
	_, err := io.ReadFull(s, b)
	return err
}

// ReadPDU reads one PDU into b, which it must fit into, and returns it.
func (s *Socket) ReadPDU(b []byte) ([]byte, error) {
	if err := s.ReadFull(b[:HeaderLen]); err != nil {
		return nil, err
	}
	n := Header(b).Len()
	if n > len(b) {
		return nil, fmt.Errorf("a PDU of %d bytes", n)
	}
	return b[:n], s.ReadFull(b[HeaderLen:n])
}

// Writev writes all of bufs, whose elements it changes. It allocates nothing.
func (s *Socket) Writev(bufs [][]byte) error {
	if s.alone {
		return s.writeAlone(bufs)
	}
	if s.patience > 0 {
		_ = s.conn.SetWriteDeadline(time.Now().Add(s.patience)) // a closed connection fails below
	}
	s.bufs = bufs
	_, err := s.bufs.WriteTo(s.conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return timeout(s.patience)
	}
	return err
}

// advance takes the first n bytes off bufs, whose elements it changes, and returns the rest.
func advance(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 && len(bufs) > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

// timeout is the error of a call that took too long.
func timeout(patience time.Duration) error {
	return fmt.Errorf("no progress in %v: %w", patience, os.ErrDeadlineExceeded)
}
