//go:build !linux

package wire

import (
	"net"
	"time"
)

// system is the connection itself: correct, not as fast.
type system struct {
	tcp *net.TCPConn
}

func (s *Socket) open(t *net.TCPConn, _ time.Duration) error {
	s.tcp = t
	return nil
}

// Read reads what is there, at least one byte.
func (s *Socket) Read(b []byte) (int, error) {
	if s.patience > 0 {
		_ = s.tcp.SetReadDeadline(time.Now().Add(s.patience)) // a closed connection fails below
	}
	n, err := s.tcp.Read(b)
	return n, s.failed(err)
}

// Write writes all of b.
func (s *Socket) Write(b []byte) (int, error) {
	if s.patience > 0 {
		_ = s.tcp.SetWriteDeadline(time.Now().Add(s.patience)) // as above
	}
	n, err := s.tcp.Write(b)
	return n, s.failed(err)
}

// writeAlone writes all of bufs: there is no other way here.
func (s *Socket) writeAlone(bufs [][]byte) error {
	s.alone = false
	return s.Writev(bufs)
}

// Interrupt ends the connection: whoever waits in a call returns.
func (s *Socket) Interrupt() { _ = s.tcp.SetDeadline(time.Unix(1, 0)); _ = s.tcp.CloseRead() }

// Close closes the connection. Nobody may use it then.
func (s *Socket) Close() error { return s.conn.Close() }

func (s *Socket) failed(err error) error {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return timeout(s.patience)
	}
	return err
}
