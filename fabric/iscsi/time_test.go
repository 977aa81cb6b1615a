package iscsi

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// inBubble runs f with a clock of its own, in which waiting costs no time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// TestPing: a silent initiator is asked whether it is there; one that stays silent loses
// its connection, one that says anything does not.
func TestPing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLab(t, func(s *Server) {
			s.Options.NopInterval, s.Options.NopTimeout = 20*time.Second, 7*time.Second
		})
		p := l.login(true)
		start := time.Now()
		for range 3 {
			h := p.awaitPing()
			require.NotEqual(t, pdu.ReservedTag, h.NOPIn().TTT())
			require.Equal(t, pdu.ReservedTag, h.ITT())
			var out pdu.Header
			r := out.InitNOPOut()
			r.SetImmediate(true)
			r.SetITT(pdu.ReservedTag)
			r.SetTTT(h.NOPIn().TTT())
			p.send(&out, nil)
		}
		require.Greater(t, time.Since(start), 50*time.Second)
		require.Less(t, time.Since(start), 90*time.Second)
		start = time.Now()
		p.awaitPing()
		p.anyTimeout = true
		p.gone()
		require.Greater(t, time.Since(start), 25*time.Second)
		require.Less(t, time.Since(start), 45*time.Second)
	})
}

// awaitPing reads a NOP-In, however long it takes.
func (p *peer) awaitPing() pdu.Header {
	p.t.Helper()
	p.anyTimeout = true
	h, _ := p.must(pdu.OpNOPIn)
	p.anyTimeout = false
	return h
}

// TestNoPing: without an interval nothing is asked.
func TestNoPing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLab(t, func(s *Server) { s.Options.NopInterval = -1 })
		p := l.login(true)
		<-time.After(10 * time.Hour)
		p.alive()
	})
}

// TestDataTimeout: an initiator that does not send the data that it was asked for loses
// its connection; one that is slow does not.
func TestDataTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLab(t, func(s *Server) {
			s.Options.NopInterval, s.Options.DataTimeout = -1, 60*time.Second
		})
		p := l.login(true)
		c := p.writeCmd(0, 0, 4)
		p.send(c.Header, nil)
		r := p.r2t()
		for i := range 4 {
			<-time.After(45 * time.Second)
			p.send(p.dataOut(c, r.TTT(), i, int64(i*512), i == 3), make([]byte, 512))
		}
		p.good()
		c = p.writeCmd(0, 0, 4)
		p.send(c.Header, nil)
		p.r2t()
		start := time.Now()
		p.anyTimeout = true
		p.gone()
		require.GreaterOrEqual(t, time.Since(start), 60*time.Second)
		require.Less(t, time.Since(start), 90*time.Second)
	})
}

// TestLoginTimeout: whoever does not log in in time is shown out, wherever he stopped.
func TestLoginTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLab(t, func(s *Server) { s.Options.LoginTimeout = 5 * time.Second })
		for _, n := range []int{0, 10, 48, 50} {
			p := l.connect(true)
			var h pdu.Header
			r := h.InitLoginRequest()
			r.SetStages(pdu.StageSecurity, pdu.StageOperational, true)
			start := time.Now()
			p.sendRaw(p.wire(&h, nil, []byte("InitiatorName=x\x00"))[:n])
			p.gone()
			require.Equal(t, 5*time.Second, time.Since(start))
		}
		p := l.login(true)
		<-time.After(10 * time.Second)
		p.alive() // the time for the login means nothing later
		require.EqualValues(t, 4, l.srv.Stats().LoginsFailed)
	})
}

// TestReinstatementTimeout: a session whose command is stuck is not replaced before it has
// ended.
func TestReinstatementTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLab(t)
		stuck := make(chan struct{})
		l.slow.stuck = stuck
		p := l.login(true)
		p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
		l.held(1)
		q := l.connect(true)
		q.anyTimeout = true
		start := time.Now()
		require.Equal(t, pdu.LoginUnavailable, q.tryLogin("TargetName="+labTarget))
		require.Greater(t, time.Since(start), 10*time.Second)
		close(stuck)
		synctest.Wait()
		r := l.connect(true)
		r.login()
	})
}

// TestSlowReader: an initiator that does not read its answers holds up nobody else, and
// gets them when it reads.
func TestSlowReader(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		close(l.slow.open)
		l.slow.poke(labStuck, pattern(1, 512<<10))
		p := l.login(pipe, "MaxRecvDataSegmentLength=262144", "MaxBurstLength=1048576")
		q := l.connect(pipe)
		q.isid[5]++
		q.login()
		q.clearUA(0)
		q.clearUA(1)
		var cmds []pdu.SCSICommand
		for range 60 { // 30 MiB of answers, through the workers of the device
			c := p.readCmd(1, labStuck, 1024)
			p.send(c.Header, nil)
			cmds = append(cmds, c)
		}
		l.held(60)
		for range 200 {
			c := q.readCmd(1, labStuck, 8)
			q.send(c.Header, nil)
			q.must(pdu.OpDataIn)
		}
		l.held(200)
		want := pattern(1, 512<<10)
		seen := make(map[uint32]int)
		for range cmds {
			got := make([]byte, 0, len(want))
			for done := false; !done; {
				h, data := p.must(pdu.OpDataIn)
				got = append(got, data...)
				done = h.DataIn().HasStatus()
				seen[h.ITT()]++
			}
			require.True(t, bytes.Equal(want, got))
		}
		require.Len(t, seen, len(cmds))
		p.alive()
	})
}

// TestSendTimeout: an initiator that reads nothing for too long loses its connection,
// and everything that waits for it ends.
func TestSendTimeout(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t, func(s *Server) {
			s.Options.SendTimeout = 50 * time.Millisecond // over TCP there is no clock but the real one
		})
		close(l.slow.open)
		p := l.login(pipe, "MaxRecvDataSegmentLength=262144", "MaxBurstLength=1048576")
		for range 60 {
			if _, err := p.nc.Write(p.wire(p.readCmd(1, labStuck, 2048).Header, nil, nil)); err != nil {
				break // it is over already
			}
		}
		l.sessions(0)
		require.Zero(t, l.pool.Outstanding())
	})
}

// TestPingFlood: pings whose answers are not read cannot pile up without end.
func TestPingFlood(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "MaxRecvDataSegmentLength=262144")
		var h pdu.Header
		r := h.InitNOPOut()
		r.SetImmediate(true)
		r.SetITT(5)
		flood := p.wire(&h, nil, make([]byte, 65536))
		_ = p.nc.SetWriteDeadline(time.Now().Add(patience))
		for range 4096 {
			if _, err := p.nc.Write(flood); err != nil {
				break
			}
		}
		l.sessions(0)
	})
}

// TestPingBurst: an initiator that sends many pings at once and reads then keeps its
// connection.
func TestPingBurst(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		var h pdu.Header
		r := h.InitNOPOut()
		r.SetImmediate(true)
		r.SetITT(5)
		burst := bytes.Repeat(p.wire(&h, nil, nil), rxBufSize/pdu.HeaderLen)
		p.sendRaw(burst)
		for range rxBufSize / pdu.HeaderLen {
			p.must(pdu.OpNOPIn)
		}
		p.alive()
	})
}

// TestDeadlock: an initiator that sends a lot before it reads anything gets its answers:
// the target keeps reading while it cannot write.
func TestDeadlock(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "MaxRecvDataSegmentLength=262144", "FirstBurstLength=262144")
		data := pattern(7, 262144)
		var stream []byte
		for i := range 60 {
			stream = append(stream, p.wire(p.readCmd(0, 0, 1024).Header, nil, nil)...)
			stream = append(stream, p.wire(p.writeCmd(0, 1024+i, 512).Header, nil, data)...)
		}
		p.sendRaw(stream)
		for done := 0; done < 120; {
			h, _, err := p.receive()
			require.NoError(t, err)
			if h.Opcode() == pdu.OpSCSIResponse || h.Opcode() == pdu.OpDataIn && h.DataIn().HasStatus() {
				done++
			}
		}
	})
}

// TestShutdownStuck: a command that never ends holds up neither Shutdown, when its time
// is over, nor Close.
func TestShutdownStuck(t *testing.T) {
	for _, logout := range []bool{true, false} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t)
			stuck := make(chan struct{})
			l.slow.stuck = stuck
			p := l.login(true)
			p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
			l.held(1)
			if logout {
				p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
			}
			go func() { // reads what there is
				for {
					if _, _, err := p.receive(); err != nil {
						return
					}
				}
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, l.srv.Shutdown(ctx), context.DeadlineExceeded)
			require.Less(t, time.Since(start), 7*time.Second)
			require.Equal(t, 1, l.srv.Stats().Sessions, "the engine is not done with it")
			close(stuck)
		})
	}
}
