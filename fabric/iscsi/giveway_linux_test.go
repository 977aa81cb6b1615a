package iscsi

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// socketPair connects over a socket which has what is written to it at once, other than TCP.
func (l *lab) socketPair() *peer {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(l.t, err)
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		ends[i], err = net.FileConn(f)
		require.NoError(l.t, err)
		require.NoError(l.t, f.Close())
	}
	p := l.connect(true)
	require.NoError(l.t, p.nc.Close())
	p.nc = ends[0]
	l.t.Cleanup(func() { p.nc.Close() })
	l.srv.start(ends[1])
	return p
}

// arrived takes what the target has sent, without waiting, and reports whether there was anything.
func (p *peer) arrived() (any bool) {
	rc := rawConn(p.nc)
	require.NotNil(p.t, rc)
	require.NoError(p.t, rc.Control(func(fd uintptr) {
		var b [4096]byte
		for {
			n, err := unix.Read(int(fd), b[:])
			if n <= 0 {
				require.Equal(p.t, unix.EAGAIN, err)
				return
			}
			any = true
		}
	}))
	return any
}

// connOf is the connection of a peer that is logged in.
func (l *lab) connOf(p *peer) *conn {
	for _, s := range l.srv.sessionList() {
		if s.key.isid == p.isid {
			return s.conn
		}
	}
	require.FailNow(l.t, "no session")
	return nil
}

// TestGivesWay: on the only processor, an initiator gets its answer although the reader of another
// one never finds its socket empty, or has much to do from one read, or from one request that fills
// a gap. The clock says after each command that the reader has gone on for long. What it does not
// take part in is the runtime's own look at the network, of which there is one in 10 ms.
func TestGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const (
		// most is how many commands the reader gets in before the other one has to have its answer.
		// A round or two would do; see TestRoundAsksTheSystem.
		most = 40
		noop = 0xC0
	)
	for name, gap := range map[string]bool{"reads": false, "one read": false, "gap": true} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			var hook func()
			set := make(chan struct{})
			l.fast.bidi = func(*scsi.Command) error {
				<-set // a socket does not tell the race detector what comes before what
				hook()
				return nil
			}
			flood, other := l.socketPair(), l.socketPair()
			other.isid[5]++
			for _, p := range []*peer{flood, other} {
				p.login()
				p.clearUA(0)
			}
			asleep := func() bool { return l.srv.asleep.Load() == 2 }
			require.Eventually(t, asleep, patience, time.Millisecond, "the readers do not sleep")

			next := func() []byte {
				return flood.wire(flood.command(0, append([]byte{noop}, make([]byte, 15)...), false, false, 0).Header, nil, nil)
			}
			reader, n, answered := l.connOf(flood), 0, 0
			done := make(chan struct{})
			hook = func() { // on the reader's goroutine
				n++
				reader.stint.since, reader.stint.asked = -time.Hour, -time.Hour
				flood.arrived()
				switch {
				case answered > 0: // the rest of one read
				case n == 1:
					other.send(other.command(0, make([]byte, 6), false, false, 0).Header, nil)
				case other.arrived():
					answered = n
				}
				switch {
				case name == "reads" && answered == 0 && n < most:
					flood.sendRaw(next())
				case name == "reads", n == most:
					close(done)
				}
			}
			close(set)
			var first []byte
			if gap {
				bad := flood.command(0, make([]byte, 6), false, false, 512) // neither R nor W
				first = flood.wire(bad.Header, nil, nil)
			}
			first = append(first, next()...)
			for name != "reads" && len(first) < most*pdu.HeaderLen {
				first = append(first, next()...)
			}
			if gap {
				first = append(first, next()...)
				fill := flood.command(0, make([]byte, 6), false, false, 0)
				fill.SetCmdSN(fill.CmdSN() - most - 1)
				first = append(first, flood.wire(fill.Header, nil, nil)...)
			}
			flood.sendRaw(first)
			<-done
			require.NotZero(t, answered, "%d commands of the other initiator came first", n)
		})
	}
}

// TestWhoReads: only readers of sessions count as awake or asleep, not connections that are silent
// before their login, in the middle of it, or behind their logout.
func TestWhoReads(t *testing.T) {
	l := newLab(t)
	stuck := make(chan struct{})
	l.slow.stuck = stuck
	var h pdu.Header
	h.InitLoginRequest().SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
	for n := range 4 {
		p := l.connect(false)
		p.sendRaw(p.wire(&h, nil, []byte("InitiatorName=x\x00"))[:n*20])
	}
	counts := func(awake, asleep int32) {
		t.Helper()
		require.Eventually(t, func() bool {
			return l.srv.awake.Load() == awake && l.srv.asleep.Load() == asleep
		}, patience, time.Millisecond)
	}
	require.Eventually(t, func() bool { return l.srv.Stats().LoggingIn == 4 }, patience, time.Millisecond)
	counts(0, 0)
	p := l.login(false)
	counts(0, 1)
	p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
	l.held(1)
	p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
	counts(0, 0) // it waits for the command
	close(stuck)
	p.must(pdu.OpLogoutResp)
	counts(0, 0)
}

// TestAsksNowAndThen: a reader that takes a processor for free has the system asked all the same if
// that was long ago, unless there is no other connection.
func TestAsksNowAndThen(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	srv := &Server{}
	srv.init()
	defer srv.rounds.close()
	c := &conn{srv: srv}
	c.stint.round = make(chan struct{}, 1)
	const hour = 100 * time.Hour
	for _, tt := range []struct {
		asleep int32
		ago    time.Duration
		asks   bool
	}{{1, askEvery, true}, {1, -hour, false}, {0, askEvery, false}} {
		srv.began = time.Now().Add(-hour)
		srv.awake.Store(1)
		srv.asleep.Store(tt.asleep)
		asked := srv.clock() - tt.ago
		c.stint.asked = asked
		c.giveWay()
		require.Equal(t, tt.asks, c.stint.asked != asked, "%+v", tt)
	}
}
