package iscsi

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// TestLoginAwaitsHungUp: a login under another ISID waits for the end of a session whose connection the
// initiator has closed, but whose reader has not heard of it yet; not for one that is in use.
func TestLoginAwaitsHungUp(t *testing.T) {
	l := newLab(t)
	busy, resume := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(resume) })
	t.Cleanup(goOn)
	l.fast.bidi = func(*scsi.Command) error { // on the reader's goroutine
		close(busy)
		<-resume
		return nil
	}
	used := l.connect(false)
	used.isid[5] = 1
	used.login()
	used.clearUA(0)
	dead := l.connect(false)
	dead.isid[5] = 2
	dead.login()
	dead.clearUA(0)
	dead.send(dead.command(0, append([]byte{0xC0}, make([]byte, 15)...), false, false, 0).Header, nil)
	<-busy
	old := l.connOf(dead)
	require.False(t, old.hungUp())
	require.NoError(t, dead.nc.Close())
	require.Eventually(t, old.hungUp, patience, time.Millisecond)

	p := l.connect(false)
	p.isid[5] = 3
	status := make(chan pdu.LoginStatus, 1)
	go func() { status <- p.tryLogin("TargetName=" + labTarget) }()
	select {
	case <-status:
		require.FailNow(t, "the login does not wait")
	case <-time.After(hangUpWait / 10): // if it is slower than that, this test finds nothing
	}
	goOn()
	require.Equal(t, pdu.LoginSuccess, <-status)
	<-old.sess.closed
	require.Len(t, l.srv.sessionList(), 2)
	used.alive()
}

// TestLoginDoesNotAwaitStuck: a session with a command that does not end, whose connection is closed,
// keeps nobody out.
func TestLoginDoesNotAwaitStuck(t *testing.T) {
	l := newLab(t)
	stuck := make(chan struct{})
	l.slow.stuck = stuck
	t.Cleanup(func() { close(stuck) })
	dead := l.login(false)
	dead.isid[5]++
	dead.send(dead.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
	l.held(1)
	require.NoError(t, dead.nc.Close())
	p := l.connect(false)
	p.isid[5] = 3
	p.login()
	require.Len(t, l.srv.sessionList(), 2)
}
