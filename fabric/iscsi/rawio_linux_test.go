package iscsi

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestCloseDuringCall: a system call that does not come back, as one that sends mapped memory of a
// drive that does not answer, holds up none of those who end the connection.
func TestCloseDuringCall(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	c := l.only()
	entered, back := make(chan struct{}), make(chan struct{})
	comeBack := sync.OnceFunc(func() { close(back) })
	t.Cleanup(comeBack)
	called := make(chan error, 1)
	go func() {
		called <- c.raw.Write(func(uintptr) bool {
			close(entered)
			<-back
			return true
		})
	}()
	<-entered
	q := l.connect(false)
	q.login() // reinstates the session
	l.srv.failAll()
	_, _, err := q.receive()
	require.Error(t, err)
	connections := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return l.srv.Stats().Connections == n }, patience, time.Millisecond)
	}
	connections(1) // the call is under way
	comeBack()
	require.NoError(t, <-called)
	p.gone()
	connections(0)
}

// blockingListener hands out connections as a program leaves them that has looked at their
// descriptors with (*net.TCPConn).File and (*os.File).Fd: calls on them wait.
type blockingListener struct {
	net.Listener
	t *testing.T
}

func (l blockingListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f, err := nc.(*net.TCPConn).File()
	require.NoError(l.t, err)
	require.NoError(l.t, unix.SetNonblock(int(f.Fd()), false))
	require.NoError(l.t, f.Close())
	return nc, nil
}

// TestBlockingSocket: a call that does not tell the scheduler never waits, whatever the program has
// done with the socket before: the whole process would wait with it.
func TestBlockingSocket(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.listen = ln.Addr()
	served := make(chan error, 1)
	go func() { served <- l.srv.Serve(blockingListener{ln, t}) }()
	p := l.connect(false)
	p.login()
	require.NoError(t, l.only().raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		require.NoError(t, err)
		require.NotZero(t, flags&unix.O_NONBLOCK)
	}))
	p.clearUA(0)
	require.NoError(t, l.srv.Close()) // its peer does nothing
	require.Equal(t, ErrServerClosed, <-served)
	p.gone()
}
