package iscsi

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi/engine"
)

// TestMaxConnections: connections beyond the bound are closed at once.
func TestMaxConnections(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t, func(s *Server) { s.Options.MaxConnections = 2 })
		p := l.login(pipe)
		q := l.connect(pipe)
		q.isid[5]++
		q.login()
		r := l.connect(pipe)
		r.gone()
		p.alive()
		require.EqualValues(t, 1, l.srv.Stats().Refused)
		require.NoError(t, p.nc.Close())
		require.Eventually(t, func() bool { return l.srv.Stats().Connections == 1 }, patience, time.Millisecond)
		r.nc = l.dial(pipe)
		r.login()
	})
}

// TestMaxLogins: connections that do not log in cannot keep others out.
func TestMaxLogins(t *testing.T) {
	l := newLab(t, func(s *Server) { s.Options.MaxLogins = 3 })
	var idle []*peer
	for range 5 {
		idle = append(idle, l.connect(true)) // over a pipe the order is known
	}
	idle[0].gone()
	idle[1].gone()
	p := l.login(true)
	idle[2].gone()
	p.alive()
	require.Equal(t, 2, l.srv.Stats().LoggingIn)
}

// TestLoginMemory: what a connection announces before it is logged in is not believed.
func TestLoginMemory(t *testing.T) {
	l := newLab(t)
	for _, f := range []func(h *pdu.Header){
		func(h *pdu.Header) { h.InitLoginRequest(); h.SetDataLen(1 << 23) },
		func(h *pdu.Header) { h.InitLoginRequest(); h.SetAHSLen(1020) },
		func(h *pdu.Header) { h.InitSCSICommand(); h.SetDataLen(1 << 23) },
		func(h *pdu.Header) { copy(h[:], "GET / HTTP/1.1\r\nHost: storage.example.org\r\n\r\n\r\n") },
	} {
		p := l.connect(false)
		p.anyStatSN = true
		var h pdu.Header
		f(&h)
		p.sendRaw(h[:])
		p.gone()
	}
	p := l.login(false)
	p.alive()
}

// flakyListener fails now and then.
type flakyListener struct {
	net.Listener
	errs chan error
}

func (l *flakyListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

// TestAcceptErrors: a listener survives what passes, and Serve returns what does not.
func TestAcceptErrors(t *testing.T) {
	lab := newLab(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &flakyListener{inner, make(chan error, 3)}
	l.errs <- syscall.EMFILE
	l.errs <- &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}
	done := make(chan error, 1)
	go func() { done <- lab.srv.Serve(l) }()
	lab.listen = inner.Addr()
	p := lab.login(false)
	broken := errors.New("broken")
	l.errs <- broken
	nc, err := net.Dial("tcp", inner.Addr().String()) // wakes Accept
	require.NoError(t, err)
	defer nc.Close()
	require.ErrorIs(t, <-done, broken)
	p.alive()
}

// TestSeveralListeners: a server serves many, and none after its end.
func TestSeveralListeners(t *testing.T) {
	l := newLab(t)
	var served []chan error
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- l.srv.Serve(ln) }()
		served = append(served, done)
		l.listen = ln.Addr()
		p := l.login(false)
		p.alive()
	}
	require.NoError(t, l.srv.Close())
	for _, done := range served {
		require.ErrorIs(t, <-done, ErrServerClosed)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, l.srv.Serve(ln), ErrServerClosed)
	require.ErrorIs(t, l.srv.ListenAndServe("127.0.0.1:0"), ErrServerClosed)
	require.Error(t, (&Server{Engine: l.eng}).ListenAndServe("256.0.0.1:0"))
	_, err = (&Server{Engine: l.eng}).Listen("256.0.0.1:0")
	require.Error(t, err)
}

// TestStats: the figures of a session are what went over it.
func TestStats(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "InitiatorAlias=host", "MaxRecvDataSegmentLength=65536")
	l.counted(func(n Counters) bool { return n.Commands == 4 && n.PDUsOut == 4 }) // to clear unit attentions
	before := l.srv.Sessions()[0].Counters
	c := p.readCmd(0, 0, 8)
	p.send(c.Header, nil)
	p.must(pdu.OpDataIn)
	c = p.writeCmd(0, 0, 8)
	p.send(c.Header, nil)
	p.answerR2T(c, p.r2t(), make([]byte, 4096), 4096)
	p.good()
	l.counted(func(n Counters) bool {
		return n.Commands == before.Commands+2 && n.PDUsIn == before.PDUsIn+3 && n.PDUsOut == before.PDUsOut+3 &&
			n.BytesIn == before.BytesIn+3*48+4096 && n.BytesOut == before.BytesOut+3*48+4096 &&
			n.DataOuts == before.DataOuts+1 && n.R2Ts == before.R2Ts+1
	})
	s := l.srv.Sessions()[0]
	require.Equal(t, labInitiator, s.Initiator)
	require.Equal(t, "host", s.InitiatorAlias)
	require.Equal(t, labTarget, s.Target)
	require.Equal(t, "800102030405", s.ISID)
	require.Equal(t, p.tsih, s.TSIH)
	require.Equal(t, p.nc.LocalAddr().String(), s.Remote)
	require.Equal(t, p.nc.RemoteAddr().String(), s.Local)
	require.Equal(t, 65536, s.Params.MaxXmitDataSegmentLength)
	require.Equal(t, p.cmdSN, s.ExpCmdSN)
	st := l.srv.Stats()
	require.Equal(t, Stats{Accepted: 1, Logins: 1, Connections: 1, Sessions: 1}, st)
}

// refusal is a target whose logins the engine refuses, after something was to be sent to them.
type refusal struct {
	target
	conns chan<- *conn
}

func (r refusal) login(_ context.Context, _ fabric.Initiator, ep fabric.Endpoint) (nexus, error) {
	x := ep.(*session)
	x.RequestLogout(time.Second) // as Shutdown does
	r.conns <- x.conn
	return nil, engine.ErrTooManySessions
}

type refusals struct {
	catalog
	conns chan<- *conn
}

func (r refusals) targets() []target {
	list := r.catalog.targets()
	for i, t := range list {
		list[i] = refusal{t, r.conns}
	}
	return list
}

// TestRefusedByTheEngine: a connection whose login the engine refuses at last sends nothing any more,
// and has nobody who would.
func TestRefusedByTheEngine(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		conns := make(chan *conn, 1)
		l := newLab(t, func(s *Server) { s.catalog = refusals{engineCatalog{s.Engine}, conns} })
		p := l.connect(pipe)
		require.Equal(t, pdu.LoginOutOfResources, p.tryLogin("TargetName="+labTarget))
		_, _, err := p.receive()
		require.Error(t, err)
		require.NoError(t, p.nc.Close())
		c := <-conns
		require.Eventually(t, func() bool { return l.srv.Stats().Connections == 0 }, patience, time.Millisecond)
		for range 2 {
			c.txq.mu.Lock()
			others, writing := c.txq.others, c.txq.writing
			c.txq.mu.Unlock()
			require.Zero(t, others)
			require.False(t, writing)
			sent := make(chan error, 1)
			late := &outPDU{sent: func(err error) { sent <- err }}
			late.hdr.InitNOPIn()
			c.send(late)
			require.Equal(t, errConnClosed, <-sent)
		}
	})
}
