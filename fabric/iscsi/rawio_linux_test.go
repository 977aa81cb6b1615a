package iscsi

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
