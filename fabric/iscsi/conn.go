package iscsi

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// nexus is what a connection asks of the engine's session.
type nexus interface {
	NewCommand() *scsi.Command
	Submit(c *scsi.Command)
	ResponsesSent(list []*scsi.Command, err error)
	Now() time.Duration
	Manage(t *fabric.Task)
	Close(reason error)
	QueueLimit() int
	Trim()
}

// conn is one TCP connection. Its goroutine, the reader, logs the initiator in, then
// reads PDUs and submits commands on its own stack. Answers are sent by whoever
// completes them (see txQueue). There is no other goroutine but at times a flusher of answers,
// one that closes the socket, and a timer.
//
// Locks: dmu comes before txq.mu; no other two are held together, and none is held
// across a call of the engine.
type conn struct {
	srv  *Server
	nc   net.Conn
	from netip.Addr      // its remote address, if it has one
	raw  syscall.RawConn // nil: nc has no descriptor to use
	log  *zap.Logger

	login pendingLogin

	// Set when the login is over.
	sess *session
	nx   nexus // nil in a discovery session
	par  Params
	text *exchange

	// Of the reader.
	rx     receiver
	stint  stint
	held   holdQueue
	ending bool       // no further PDU is handled
	logout pdu.Header // the request that ended it
	stats  rxStats
	readFn func(uintptr) bool
	noted  bool // a violation has been logged

	txq txQueue
	tx  txState

	expCmdSN   atomic.Uint32 // written by the reader
	maxCmdSN   atomic.Uint32 // written by the writer
	limit      atomic.Uint32 // commands to let in at once
	maxData    atomic.Int64  // longest data segment that the initiator takes
	immediates atomic.Int32  // immediate requests in progress
	alive      atomic.Bool   // something has come since the last tick
	ticks      atomic.Uint32 // see tick
	counters   connCounters

	dmu     sync.Mutex
	waits   waitTable // guarded by dmu
	lastTTT uint32    // guarded by dmu
	lost    bool      // guarded by dmu; no Data-Out will come any more

	// Of the timer; see tick.
	every  time.Duration // between two ticks
	quiet  time.Duration // how long nothing has come
	pinged bool

	mu       sync.Mutex
	dropping bool           // guarded by mu; the target ends the connection
	leaving  bool           // guarded by mu; the initiator has logged out
	onDown   func()         // guarded by mu; called with the end of the connection
	timer    *time.Timer    // guarded by mu; nil before full-feature phase
	err      error          // guarded by mu; why the connection ends
	down     chan struct{}  // closed when err is set
	closing  sync.WaitGroup // who closes nc
}

func newConn(srv *Server, nc net.Conn) *conn {
	c := &conn{
		srv: srv, nc: nc, from: remoteOf(nc), raw: rawConn(nc), down: make(chan struct{}),
		log: srv.log.With(zap.Stringer(logRemote, addr{nc.RemoteAddr()})),
	}
	c.waits.mix = rand.Uint32() | 1
	c.txq.writing = true // what the engine has to say waits for the end of the login
	c.readFn = c.readReady
	c.stint.round = make(chan struct{}, 1)
	c.initTx()
	return c
}

// run is the connection's goroutine.
func (c *conn) run() {
	defer finally(func() { // something has failed on every way here
		c.tx.bg.Wait()
		c.closing.Wait()
		c.srv.forget(c)
	})
	err := c.logIn()
	if err != nil {
		c.fail(err)
		c.kill()
	}
	c.write(false) // the login had the role of the writer
	if err != nil {
		if c.sess != nil {
			c.end()
		}
		c.srv.loginFailed(c, c.cause())
		return
	}
	c.startTimer()
	err = errReaderEnded
	defer finally(func() {
		c.fail(err)
		c.end()
	})
	err = c.unexpected(c.serve())
	if err == errLoggedOut {
		c.finishLogout()
	}
}

// finally is deferred for what has to be done also when a handler ends the goroutine. After a panic,
// which is a defect of ours, f could wait for a lock that will never be free: the process ends.
func finally(f func()) {
	if r := recover(); r != nil {
		panic(r)
	}
	f()
}

// fail closes the connection for a reason, of which the first counts. It does not block: to close a
// socket is to wait for the call that uses it, and one that sends mapped memory may wait for a drive.
func (c *conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	var onDown func()
	if first {
		c.err = err
		c.closing.Go(func() { _ = c.nc.Close() }) // nothing is left to be done about an error
		close(c.down)
		onDown, c.onDown = c.onDown, nil
	}
	c.mu.Unlock()
	if onDown != nil {
		onDown()
	}
}

// cause is why the connection ended.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end is the reader's last work: everything that the engine waits for is answered, the
// nexus is closed, and what the connection held goes back.
func (c *conn) end() {
	c.stopTimer()
	err := c.cause()
	defer finally(func() {
		c.sess.end(err)
		c.dropRxBuf()
		c.publish()
	})
	defer finally(func() { c.giveUpWaits(err) })
	c.kill()
}

// each calls f for each of a list. It goes on with the next one when a handler ends the goroutine.
func each(list []*task, f func(*task)) {
	defer finally(func() {
		if len(list) > 0 {
			each(list, f)
		}
	})
	for len(list) > 0 {
		t := list[0]
		list = list[1:]
		f(t)
	}
}

// giveUpWaits answers the commands that wait for data: none will come.
func (c *conn) giveUpWaits(err error) {
	c.releaseHeld()
	var active []*task
	c.dmu.Lock()
	c.waits.each(func(t *task) {
		if t.in.active {
			active = append(active, t)
		}
	})
	for _, t := range active {
		c.forget(t)
	}
	c.dmu.Unlock()
	each(active, func(t *task) { t.cmd.DataReceived(err) })
}

// releaseHeld lets the responses go that wait for unsolicited data: no more is read.
func (c *conn) releaseHeld() {
	var held []*task
	c.dmu.Lock()
	c.lost = true
	c.waits.each(func(t *task) {
		if t.in.held {
			held = append(held, t)
		}
	})
	for _, t := range held {
		c.forget(t)
	}
	c.dmu.Unlock()
	each(held, func(t *task) { c.push(&t.resp, 0) })
}

// addr is an address for logs; nil has a text too.
type addr struct{ a net.Addr }

// String is the address as text.
func (a addr) String() string {
	if a.a == nil {
		return ""
	}
	return a.a.String()
}
