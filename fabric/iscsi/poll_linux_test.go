package iscsi

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// newReader returns the server's end of a TCP connection that nobody serves, and the other end.
func newReader(t *testing.T) (*conn, net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { out.Close() })
	in, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	srv := &Server{}
	srv.init()
	t.Cleanup(srv.rounds.close)
	return newConn(srv, in), out
}

// TestWokenForNothing: a reader that is woken although nothing is there, as happens when the poller
// tells of what was read meanwhile, goes on to sleep and is counted once.
func TestWokenForNothing(t *testing.T) {
	for _, span := range []time.Duration{0, time.Microsecond} {
		c, out := newReader(t)
		srv := c.srv
		srv.opt.BusyPoll = span
		srv.awake.Store(1)
		ready := func() (ok bool) {
			require.NoError(t, c.raw.Control(func(fd uintptr) { ok = c.readReady(fd) }))
			return ok
		}
		for range 3 {
			require.False(t, ready())
			require.EqualValues(t, []int32{0, 1}, []int32{srv.awake.Load(), srv.asleep.Load()})
		}
		_, err := out.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, c.fill())
		require.EqualValues(t, []int32{1, 0}, []int32{srv.awake.Load(), srv.asleep.Load()})
		require.Equal(t, "hello", string(c.rx.buf[:c.rx.w]))
	}
}

// TestReadGivesWay: a reader that has gone on for long gives way before it reads on, as long as it
// has not slept.
func TestReadGivesWay(t *testing.T) {
	c, out := newReader(t)
	for _, turns := range []int{0, 1, briefTurns} {
		_, err := out.Write([]byte("more"))
		require.NoError(t, err)
		c.rx.turns, c.rx.r, c.rx.w, c.stint.since = turns, 0, 0, -time.Hour
		require.NoError(t, c.raw.Read(func(fd uintptr) bool { // until it is there
			var b [1]byte
			n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK)
			return n > 0 || err != unix.EAGAIN
		}))
		require.NoError(t, c.fill())
		require.Equal(t, turns > 0, c.stint.since > 0, "%d turns", turns)
		require.Equal(t, "more", string(c.rx.buf[:c.rx.w]))
	}
}

// TestBusyPollFinds: who polls finds what comes meanwhile, and gives up when the time is over.
func TestBusyPollFinds(t *testing.T) {
	c, out := newReader(t)
	srv := c.srv
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
	_, err := out.Write([]byte("hello"))
	require.NoError(t, err)
	require.True(t, <-found)
	require.NoError(t, c.rx.err)
	require.Equal(t, "hello", string(c.rx.buf[:c.rx.w]))
}
