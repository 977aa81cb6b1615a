package iscsi

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/scsi/engine"
)

// Server serves the targets of an engine over iSCSI. Its fields are set before its first
// method is called and not changed afterwards; apart from Engine, zero values will do.
// Methods may be called from any goroutine. A Server that was shut down or closed does
// not serve again.
type Server struct {
	// Engine has the targets.
	Engine *engine.Engine
	// Logger gets the life of sessions. nil: nothing is logged.
	Logger *zap.Logger
	// Options are limits and times.
	Options Options
	// Advertise, if not nil, says at which portals the target of that name is reached by
	// initiators that come to the address local: what SendTargets tells them. Without
	// portals the target does not exist for them. It is called at discovery and login,
	// without locks, and must not block. nil: every target is reached at the address that
	// the initiator came to.
	Advertise func(target string, local net.Addr) []Portal

	once    sync.Once
	opt     Options
	log     *zap.Logger
	catalog catalog
	rxBufs  sync.Pool
	batches sync.Pool
	totals  totals
	began   time.Time // see clock
	rounds  netRound

	// Readers of connections in full-feature phase with a descriptor that wait for input, and those
	// that do not.
	asleep, awake atomic.Int32

	badCongestion sync.Once // Options.CongestionControl has been complained about

	mu        sync.Mutex
	state     serverState           // guarded by mu
	listeners map[net.Listener]bool // guarded by mu
	conns     map[*conn]bool        // guarded by mu
	logins    []*conn               // guarded by mu; not logged in, oldest first
	perAddr   perAddress            // guarded by mu
	sessions  sessionTable          // guarded by mu
	idle      chan struct{}         // guarded by mu; closed when nothing is left after a shutdown
	done      chan struct{}         // closed when the state is not serving any more
	wg        sync.WaitGroup        // connections, and listeners of Listen
}

// serverState is where a server is in its life.
type serverState uint8

const (
	serving serverState = iota
	shuttingDown
	closed
)

// init prepares the server at its first use.
func (s *Server) init() {
	s.once.Do(func() {
		s.opt = s.Options.withDefaults()
		if s.log = s.Logger; s.log == nil {
			s.log = zap.NewNop()
		}
		if s.catalog == nil {
			s.catalog = engineCatalog{s.Engine}
		}
		s.began = time.Now()
		s.rxBufs.New = func() any { return new([rxBufSize]byte) }
		s.batches.New = func() any { return newTxBatch() }
		s.listeners = make(map[net.Listener]bool)
		s.conns = make(map[*conn]bool)
		s.idle, s.done = make(chan struct{}), make(chan struct{})
	})
}

// ListenAndServe listens on a TCP address, ":3260" if it is empty, and serves until
// Shutdown or Close; then it returns ErrServerClosed.
func (s *Server) ListenAndServe(address string) error {
	l, err := listen(address)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// Listen listens on a TCP address and serves in the background. It returns the address,
// whose port is known then also if none was asked for. It does not block.
func (s *Server) Listen(address string) (net.Addr, error) {
	l, err := listen(address)
	if err != nil {
		return nil, err
	}
	s.init()
	if !s.track(l, true) {
		_ = l.Close()
		return nil, ErrServerClosed
	}
	go func() {
		defer s.wg.Done()
		if err := s.accept(l); err != nil && !errors.Is(err, ErrServerClosed) {
			s.log.Error("iSCSI listener failed", zap.Stringer(logLocal, l.Addr()), zap.Error(err))
		}
	}()
	return l.Addr(), nil
}

// Serve serves the connections that l accepts until Shutdown or Close; then it returns
// ErrServerClosed. It closes l. A server may serve several listeners.
func (s *Server) Serve(l net.Listener) error {
	s.init()
	if !s.track(l, false) {
		_ = l.Close()
		return ErrServerClosed
	}
	return s.accept(l)
}

// Shutdown stops listening and asks the initiators to log out. It waits until all
// sessions are over, or until ctx is done; then it closes what is left, telling the
// initiators so, and returns ctx's error. Commands that are in progress then are the
// engine's to end.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.stop(shuttingDown)
	within := 10 * time.Second
	if end, ok := ctx.Deadline(); ok {
		within = time.Until(end)
	}
	for _, x := range s.sessionList() {
		x.RequestLogout(within)
	}
	s.mu.Lock()
	logins := append([]*conn(nil), s.logins...)
	s.mu.Unlock()
	for _, c := range logins {
		c.fail(ErrServerClosed)
	}
	err := s.awaitIdle(ctx)
	if err != nil {
		for _, x := range s.sessionList() {
			x.conn.drop(ErrServerClosed)
		}
		late := time.AfterFunc(dropGrace, s.failAll)
		defer late.Stop()
	}
	s.wg.Wait()
	s.stop(closed)
	s.rounds.close()
	return err
}

// awaitIdle waits for the last session. If there is none it does not matter that ctx is done.
func (s *Server) awaitIdle(ctx context.Context) error {
	select {
	case <-s.idle:
		return nil
	default:
	}
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes all listeners and connections at once. Sessions end when the engine has
// ended their commands, for which Close does not wait.
func (s *Server) Close() error {
	s.init()
	err := s.stop(closed)
	s.failAll()
	s.wg.Wait()
	s.rounds.close()
	return err
}

// failAll closes all connections.
func (s *Server) failAll() {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.fail(ErrServerClosed)
	}
}

// stop leaves the serving state and closes the listeners.
func (s *Server) stop(state serverState) error {
	s.mu.Lock()
	if s.state == serving {
		close(s.done)
	}
	s.state = max(s.state, state)
	var errs []error
	for l := range s.listeners {
		errs = append(errs, l.Close())
	}
	clear(s.listeners)
	s.checkIdle()
	s.mu.Unlock()
	return errors.Join(errs...)
}

// checkIdle notes the moment when nothing is left; s.mu is held.
func (s *Server) checkIdle() {
	if s.state == serving || len(s.conns) > 0 || len(s.sessions.byTSIH) > 0 {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

// loggedIn takes a connection off the list of those that are not.
func (s *Server) loggedIn(c *conn) {
	s.mu.Lock()
	s.dropLogin(c)
	s.mu.Unlock()
	s.totals.logins.Add(1)
}

// loginFailed counts and logs a login that came to nothing. Anybody can cause that as
// often as he likes, so it is logged for people who look for it.
func (s *Server) loginFailed(c *conn, err error) {
	s.totals.loginsFailed.Add(1)
	c.log.Debug("iSCSI login failed", zap.Error(err))
}

// forget takes a connection off the books; its goroutine ends.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.perAddr.remove(c.from)
	s.dropLogin(c)
	s.checkIdle()
	s.mu.Unlock()
	s.wg.Done()
}

// removeSession takes a session off the books.
func (s *Server) removeSession(x *session) {
	s.mu.Lock()
	s.sessions.remove(x)
	s.checkIdle()
	s.mu.Unlock()
}

// sessionByTSIH finds a session.
func (s *Server) sessionByTSIH(tsih uint16) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions.byTSIH[tsih]
}

// sessionList returns the sessions in no order.
func (s *Server) sessionList() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*session, 0, len(s.sessions.byTSIH))
	for _, x := range s.sessions.byTSIH {
		list = append(list, x)
	}
	return list
}

// endSessions ends all sessions of a target, whose name is in normal form.
func (s *Server) endSessions(target string, reason error) {
	for _, x := range s.sessionList() {
		if x.key.target == target {
			x.conn.drop(reason)
		}
	}
}
