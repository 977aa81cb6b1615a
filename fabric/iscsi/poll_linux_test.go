package iscsi

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBusyPollFinds: who polls finds what comes meanwhile, and gives up when the time is over.
func TestBusyPollFinds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer out.Close()
	in, err := ln.Accept()
	require.NoError(t, err)
	defer in.Close()
	srv := &Server{}
	srv.init()
	defer srv.rounds.close()
	c := newConn(srv, in)
	c.rx.buf = new([rxBufSize]byte)
	poll := func(span time.Duration) (found bool) {
		srv.opt.BusyPoll = span
		err := c.raw.Control(func(fd uintptr) { found = c.busyPoll(fd) })
		return found && err == nil
	}
	require.False(t, poll(1), "nothing has come")
	require.True(t, wouldBlock(c.rx.err))
	require.Zero(t, c.rx.w)
	require.False(t, c.rx.brief(), "a reader that polls makes ordinary calls")

	found := make(chan bool, 1)
	go func() { found <- poll(time.Hour) }() // it ends when something has come, and not before
	_, err = out.Write([]byte("hello"))
	require.NoError(t, err)
	require.True(t, <-found)
	require.NoError(t, c.rx.err)
	require.Equal(t, "hello", string(c.rx.buf[:c.rx.w]))
}
