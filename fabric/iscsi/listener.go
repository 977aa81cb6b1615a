package iscsi

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// listen listens on a TCP address.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = ":3260"
	}
	return net.Listen("tcp", address)
}

// track puts a listener on the books; own says that its goroutine is the server's.
func (s *Server) track(l net.Listener, own bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != serving {
		return false
	}
	s.listeners[l] = true
	if own {
		s.wg.Add(1)
	}
	return true
}

// accept accepts connections until the server or the listener is closed.
func (s *Server) accept(l net.Listener) error {
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = l.Close() // it may be closed already
	}()
	delay := time.Duration(0)
	for {
		nc, err := l.Accept()
		if err == nil {
			delay = 0
			s.start(nc)
			continue
		}
		select {
		case <-s.done:
			return ErrServerClosed
		default:
		}
		if !passing(err) {
			return err
		}
		// Out of descriptors or memory: others may give some back.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		wait := time.NewTimer(delay)
		select {
		case <-wait.C:
		case <-s.done:
			wait.Stop()
			return ErrServerClosed
		}
	}
}

// passing reports whether an error of Accept is worth another try.
func passing(err error) bool {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return true
	}
	for _, no := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.ECONNABORTED} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// start gives a connection its goroutine, if the limits allow one more.
func (s *Server) start(nc net.Conn) {
	s.totals.accepted.Add(1)
	s.tune(nc)
	c := newConn(s, nc)
	var oldest *conn
	s.mu.Lock()
	if s.state != serving || s.opt.MaxConnections > 0 && len(s.conns) >= s.opt.MaxConnections {
		s.mu.Unlock()
		s.totals.refused.Add(1)
		_ = nc.Close()
		return
	}
	if !s.perAddr.add(c.from, s.opt.MaxAddressConnections) {
		complain := s.perAddr.complain(c.from, time.Now())
		s.mu.Unlock()
		s.totals.refused.Add(1)
		s.totals.refusedAddress.Add(1)
		_ = nc.Close()
		if complain {
			s.log.Warn("iSCSI connection refused: too many connections of this address",
				zap.Stringer(logAddress, c.from), zap.Int("most", s.opt.MaxAddressConnections))
		}
		return
	}
	if s.opt.MaxLogins > 0 && len(s.logins) >= s.opt.MaxLogins {
		// Whoever takes longest to log in goes: a flood of connections that never do must
		// not keep the others out.
		oldest = s.logins[0]
		s.logins = slices.Delete(s.logins, 0, 1)
	}
	s.conns[c] = true
	s.logins = append(s.logins, c)
	s.wg.Add(1)
	s.mu.Unlock()
	if oldest != nil {
		s.totals.refused.Add(1)
		oldest.fail(errPushedOut)
	}
	go c.run()
}

// dropLogin takes a connection off the list of those that are not logged in; s.mu is held.
func (s *Server) dropLogin(c *conn) {
	if i := slices.Index(s.logins, c); i >= 0 {
		s.logins = slices.Delete(s.logins, i, i+1)
	}
}

// tune sets the options of a TCP connection. What fails is the loss of an optimisation,
// or shows at the first use.
func (s *Server) tune(nc net.Conn) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tc.SetNoDelay(true)
	_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: s.opt.KeepAlive > 0, Idle: s.opt.KeepAlive, Interval: s.opt.KeepAlive,
	})
	if name := s.opt.CongestionControl; name != "" {
		if err := setCongestion(tc, name); err != nil {
			s.badCongestion.Do(func() {
				s.log.Warn("congestion control not set", zap.String("name", name), zap.Error(err))
			})
		}
	}
}
