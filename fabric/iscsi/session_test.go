package iscsi

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// logoutPDU makes an immediate Logout Request.
func (p *peer) logoutPDU(reason pdu.LogoutReason, cid uint16) *pdu.Header {
	h := new(pdu.Header)
	r := h.InitLogoutRequest(reason)
	r.SetImmediate(true)
	r.SetITT(p.itt)
	r.SetCID(cid)
	r.SetCmdSN(p.cmdSN)
	r.SetExpStatSN(p.expStatSN)
	p.itt++
	return h
}

// sessions waits until the server has n sessions.
func (l *lab) sessions(n int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.srv.Stats().Sessions == n }, patience, time.Millisecond)
}

// TestLogout ends sessions in every way that an initiator can ask for.
func TestLogout(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		for _, x := range []struct {
			reason pdu.LogoutReason
			cid    uint16
			want   pdu.LogoutResult
		}{
			{pdu.LogoutForRecovery, 0, pdu.LogoutNoRecovery},
			{pdu.LogoutCloseConnection, 9, pdu.LogoutCIDNotFound},
			{pdu.LogoutCloseSession, 9, pdu.LogoutClosed},
		} {
			p.send(p.logoutPDU(x.reason, x.cid), nil)
			h, _ := p.must(pdu.OpLogoutResp)
			require.Equal(t, x.want, h.LogoutResponse().Result())
		}
		p.gone()
		l.sessions(0)

		p.nc, p.tsih = l.dial(pipe), 0
		p.login()
		h := p.logoutPDU(77, 0)
		p.send(h, nil)
		p.rejected(pdu.RejectInvalidField, h)
		p.send(p.logoutPDU(pdu.LogoutCloseConnection, 0), nil)
		p.must(pdu.OpLogoutResp)
		p.gone()
		l.sessions(0)
	})
}

// TestLogoutWithCommands: the response to a logout comes when nothing of the session is
// left to happen.
func TestLogoutWithCommands(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "InitialR2T=No")
		p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512)) // executing
		l.held(1)
		p.send(p.writeCmd(0, 0, 8).Header, nil) // waiting for data
		p.r2t()
		c := p.writeCmd(0, 0, 8) // waiting for unsolicited data
		c.SetFinal(false)
		p.send(c.Header, nil)
		c = p.command(0, append([]byte{0xEE}, make([]byte, 15)...), false, true, 512) // answered, held back
		c.SetFinal(false)
		p.send(c.Header, nil)
		p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
		for {
			h, _, err := p.receive()
			require.NoError(t, err)
			if h.Opcode() == pdu.OpLogoutResp {
				require.Equal(t, pdu.LogoutClosed, h.LogoutResponse().Result())
				break
			}
			require.Equal(t, c.ITT(), h.ITT(), "the only one with an answer")
		}
		require.Zero(t, l.pool.Outstanding())
		require.Zero(t, l.fast.writes()+l.slow.writes())
		p.gone()
	})
}

// TestConnectionLoss: everything goes back when a connection breaks, wherever its
// commands are.
func TestConnectionLoss(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		for _, rest := range []int{0, 1, 20, 48, 100, 40000} {
			p := l.login(pipe, "InitialR2T=No", "FirstBurstLength=262144", "MaxBurstLength=262144")
			p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
			p.send(p.readCmd(1, labStuck, 1).Header, nil)
			p.send(p.writeCmd(0, 0, 8).Header, nil)
			p.r2t()
			c := p.writeCmd(0, 0, 8)
			c.SetFinal(false)
			p.send(c.Header, nil)
			c = p.command(0, append([]byte{0xEE}, make([]byte, 15)...), false, true, 512)
			c.SetFinal(false)
			p.send(c.Header, nil)
			l.held(2)
			c = p.writeCmd(0, 0, 200)
			p.sendRaw(p.wire(c.Header, nil, make([]byte, 102400))[:rest])
			require.NoError(t, p.nc.Close())
			l.sessions(0)
			require.Zero(t, l.pool.Outstanding())
		}
		require.Zero(t, l.fast.writes()+l.slow.writes())
	})
}

// TestReinstatement: a login with the names and the ISID of a session takes its place,
// after its last command has ended (RFC 7143 6.3.5).
func TestReinstatement(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
		l.held(1)

		q := l.connect(pipe)
		q.login()
		require.NotEqual(t, p.tsih, q.tsih)
		p.gone()
		require.Zero(t, l.slow.writes())
		q.send(q.readCmd(1, 0, 1).Header, nil)
		q.fails(scsi.NexusLoss)
		require.Len(t, l.srv.Sessions(), 1)

		r := l.connect(pipe) // another ISID is another session
		r.isid[5]++
		r.login()
		q.clearUA(1)
		r.clearUA(1)
		require.Len(t, l.srv.Sessions(), 2)

		s := l.connect(pipe) // reinstates the connection: the session keeps its handle
		s.tsih, s.cid = q.tsih, q.cid
		s.login("HeaderDigest=None")
		require.Equal(t, q.tsih, s.tsih)
		q.gone()
		s.clearUA(0)

		u := l.connect(pipe)
		u.tsih, u.cid = s.tsih, 5
		require.Equal(t, pdu.LoginTooManyConnections, u.tryLogin("TargetName="+labTarget))
		u = l.connect(pipe)
		u.tsih = 4711
		require.Equal(t, pdu.LoginNoSession, u.tryLogin("TargetName="+labTarget))
		u = l.connect(pipe)
		u.tsih, u.isid[0] = s.tsih, 0
		require.Equal(t, pdu.LoginNoSession, u.tryLogin("TargetName="+labTarget))
		s.alive()
		r.clearUA(0)
	})
}

// TestReinstatementStorm: of many logins with one ISID at once, one session is left.
func TestReinstatementStorm(t *testing.T) {
	l := newLab(t)
	const n = 20
	peers := make([]*peer, n)
	for i := range peers {
		peers[i] = l.connect(false)
	}
	done := make(chan struct{})
	for _, p := range peers {
		go func() {
			defer func() { done <- struct{}{} }()
			if p.tryLogin("TargetName="+labTarget) == pdu.LoginSuccess {
				for {
					if _, _, err := p.receive(); err != nil {
						return
					}
				}
			}
		}()
	}
	for range n - 1 {
		<-done
	}
	l.sessions(1)
	require.NoError(t, l.srv.Close())
	<-done
}

// TestLoginRefusals: who may not log in is told why.
func TestLoginRefusals(t *testing.T) {
	l := newLab(t, func(s *Server) {
		s.Options.MaxSessions = 2
		s.Advertise = func(target string, _ net.Addr) []Portal {
			if target == "iqn.2026-11.example:hidden" {
				return nil
			}
			return []Portal{{Host: "192.0.2.1", Port: 3261, Group: 7}, {Host: "storage.example"}}
		}
	})
	for name, enable := range map[string]bool{"iqn.2026-11.example:off": false, "iqn.2026-11.example:hidden": true, "iqn.2026-11.example:bare": true} {
		tgt, err := l.eng.AddTarget(name, nil)
		require.NoError(t, err)
		if enable {
			tgt.Enable()
		}
	}
	for name, want := range map[string]pdu.LoginStatus{
		"iqn.2026-11.example:off":    pdu.LoginUnavailable,
		"iqn.2026-11.example:hidden": pdu.LoginNotFound,
		"iqn.2026-11.example:bare":   pdu.LoginNotFound,
		"iqn.2026-11.example:none":   pdu.LoginNotFound,
	} {
		require.Equal(t, want, l.connect(false).tryLogin("TargetName="+name), name)
	}
	p := l.login(false)
	require.Equal(t, "7", p.par["TargetPortalGroupTag"])
	q := l.connect(false)
	q.isid[5]++
	q.login()
	r := l.connect(false)
	r.isid[5] += 2
	require.Equal(t, pdu.LoginOutOfResources, r.tryLogin("TargetName="+labTarget))
	s := l.connect(false) // takes the place of p
	s.login()
	p.gone()
}

// text sends a Text Request and reads the response.
func (p *peer) text(keys string) (string, pdu.TextResponse) {
	p.t.Helper()
	var h pdu.Header
	r := h.InitTextRequest()
	r.SetFinal(true)
	r.SetITT(p.itt)
	r.SetCmdSN(p.cmdSN)
	r.SetExpStatSN(p.expStatSN)
	p.itt++
	p.cmdSN++
	p.send(&h, []byte(keys))
	resp, data := p.must(pdu.OpTextResponse)
	require.Equal(p.t, p.cmdSN, resp.Response().ExpCmdSN())
	return string(data), resp.TextResponse()
}

// TestText: text in full-feature phase lists the session's target, and changes what the
// initiator takes.
func TestText(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t, func(s *Server) {
			s.Advertise = func(string, net.Addr) []Portal { return []Portal{{Host: "192.0.2.1"}} }
		})
		p := l.login(pipe)
		got, _ := p.text("SendTargets=\x00")
		require.Equal(t, "TargetName="+labTarget+"\x00TargetAddress=192.0.2.1:3260,1\x00", got)
		got, _ = p.text("MaxRecvDataSegmentLength=512\x00X-com.example=5\x00")
		require.Equal(t, "X-com.example=NotUnderstood\x00", got)
		l.fast.poke(0, pattern(1, 4096))
		c := p.readCmd(0, 0, 8)
		p.send(c.Header, nil)
		data, _ := p.readData(c, 512, 262144)
		require.Equal(t, pattern(1, 4096), data)

		var h pdu.Header
		r := h.InitTextRequest()
		r.SetITT(5)
		r.SetTTT(99) // no such exchange
		r.SetFinal(true)
		r.SetCmdSN(p.cmdSN)
		p.send(&h, nil)
		p.rejected(pdu.RejectProtocolError, &h)
		p.alive() // with the same CmdSN
	})
}

// TestDiscoverySession: a discovery session lists targets and does nothing else.
func TestDiscoverySession(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.connect(pipe)
		require.Equal(t, pdu.LoginSuccess, p.tryLogin("SessionType=Discovery"))
		got, _ := p.text("SendTargets=All\x00")
		want := "TargetName=" + labTarget + "\x00"
		if !pipe {
			want += "TargetAddress=" + l.listen.String() + ",1\x00"
		}
		require.Equal(t, want, got)
		info := l.srv.Sessions()
		require.Len(t, info, 1)
		require.Equal(t, labInitiator, info[0].Initiator)
		require.Empty(t, info[0].Target)

		c := p.readCmd(0, 0, 1)
		p.send(c.Header, nil)
		p.rejected(pdu.RejectNotSupported, c.Header)
		h := p.dataOut(c, 0, 0, 0, true)
		p.send(h, make([]byte, 4))
		p.rejected(pdu.RejectNotSupported, h)
		h = p.tmf(pdu.FuncLUNReset, 0, pdu.ReservedTag, 0)
		p.send(h, nil)
		p.rejected(pdu.RejectNotSupported, h)
		p.cmdSN--
		p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
		p.must(pdu.OpLogoutResp)
		p.gone()
		l.sessions(0)
	})
}

// TestNOP: a ping comes back with its data, as far as the initiator takes it.
func TestNOP(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "MaxRecvDataSegmentLength=1000", "DataDigest=CRC32C")
		for _, n := range []int{0, 1, 129, 1000, 1001, 100000} {
			var h pdu.Header
			r := h.InitNOPOut()
			r.SetITT(uint32(n))
			r.SetImmediate(n%2 == 0)
			r.SetCmdSN(p.cmdSN)
			if n%2 == 1 {
				p.cmdSN++
			}
			p.send(&h, pattern(1, n))
			got, data := p.must(pdu.OpNOPIn)
			require.Equal(t, uint32(n), got.ITT())
			require.Equal(t, pdu.ReservedTag, got.NOPIn().TTT())
			require.Equal(t, pattern(1, min(n, 1000)), append([]byte{}, data...))
			require.Equal(t, p.cmdSN, got.Response().ExpCmdSN())
		}
		var h pdu.Header
		h.InitNOPOut().SetITT(pdu.ReservedTag) // wants nothing
		p.send(&h, []byte("abc"))
		p.alive()
	})
}

// TestRejects: requests that cannot be are rejected with their header, and the session goes
// on.
func TestRejects(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		reject := func(h *pdu.Header, data []byte, reason pdu.RejectReason) {
			t.Helper()
			p.send(h, data)
			p.rejected(reason, h)
		}
		var h pdu.Header
		h.Init(0x1C)
		reject(&h, []byte("text"), pdu.RejectNotSupported)
		h.Init(pdu.OpDataIn)
		reject(&h, nil, pdu.RejectNotSupported)
		h.InitSNACK(pdu.SNACKStatus)
		reject(&h, nil, pdu.RejectSNACK)
		h.InitLoginRequest().SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
		reject(&h, []byte("InitiatorName=x\x00"), pdu.RejectProtocolError)
		c := p.readCmd(0, 0, 1)
		c.SetAttr(6)
		reject(c.Header, nil, pdu.RejectInvalidField)
		c.SetAttr(pdu.AttrSimple)
		reject(c.Header, make([]byte, 512), pdu.RejectInvalidField) // data of a read
		c.SetITT(pdu.ReservedTag)
		reject(c.Header, nil, pdu.RejectInvalidField)
		c.SetITT(1)
		p.sendRaw(p.wire(c.Header, []byte{0, 1, 0x3F, 0}, nil)) // unknown AHS
		p.rejected(pdu.RejectInvalidField, c.Header)
		p.cmdSN--

		w := p.writeCmd(0, 0, 1)
		p.send(w.Header, nil)
		r := p.r2t()
		twice := p.writeCmd(0, 0, 1)
		twice.SetITT(w.ITT())
		reject(twice.Header, nil, pdu.RejectTaskInProgress)
		p.cmdSN--
		p.answerR2T(w, r, make([]byte, 512), 512)
		p.good()
		p.alive()
		require.EqualValues(t, 9, l.srv.Sessions()[0].Counters.Rejects)
	})
}

// TestSegmentTooLong: more data than the target takes ends the connection.
func TestSegmentTooLong(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	c := p.writeCmd(0, 0, 8)
	c.SetDataLen(256<<10 + 1)
	p.sendRaw(c.Header[:])
	p.gone()
}

// TestEvents: events of the engine reach the initiator, with sense data.
func TestEvents(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	s := l.srv.sessionByTSIH(p.tsih)
	require.NoError(t, s.Event(fabric.Event{LUN: 5 << 48, Sense: scsi.CapacityChanged}))
	h, data := p.must(pdu.OpAsync)
	require.Equal(t, pdu.AsyncSCSI, h.Async().Event())
	require.Equal(t, uint64(5)<<48, h.LUN())
	require.Equal(t, []byte{0, 18}, data[:2])
	e, err := scsi.ParseSense(data[2:])
	require.NoError(t, err)
	require.Equal(t, scsi.CapacityChanged, e.Sense)
	require.True(t, l.srv.CloseSession(p.tsih))
	require.False(t, l.srv.CloseSession(p.tsih+1))
	h, _ = p.must(pdu.OpAsync)
	require.Equal(t, pdu.AsyncDropSession, h.Async().Event())
	p.gone()
	l.sessions(0)
	require.Error(t, s.Event(fabric.Event{Sense: scsi.CapacityChanged}))
}

// TestShutdown: initiators are asked to log out; those that do not are told that they are
// dropped.
func TestShutdown(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // nobody has to be waited for
		l := newLab(t)
		require.NoError(t, l.srv.Shutdown(done))
	}

	for _, obey := range []bool{true, false} {
		eachTransport(t, func(t *testing.T, pipe bool) {
			l := newLab(t)
			p := l.login(pipe)
			idle := l.connect(pipe) // not logged in
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- l.srv.Shutdown(ctx) }()
			h, _ := p.must(pdu.OpAsync)
			require.Equal(t, pdu.AsyncLogout, h.Async().Event())
			_, _, seconds := h.Async().Params()
			require.LessOrEqual(t, seconds, uint16(10))
			idle.gone()
			if obey {
				p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
				p.must(pdu.OpLogoutResp)
				p.gone()
				require.NoError(t, <-done)
			} else {
				p.alive() // commands still work
				cancel()
				h, _ = p.must(pdu.OpAsync)
				require.Equal(t, pdu.AsyncDropSession, h.Async().Event())
				p.gone()
				require.ErrorIs(t, <-done, context.Canceled)
			}
			if !pipe {
				_, err := l.srv.Listen("127.0.0.1:0")
				require.ErrorIs(t, err, ErrServerClosed)
			}
		})
	}
}

// TestTargetDisabled: the engine ends sessions, and the initiators are told.
func TestTargetDisabled(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.tgt.Disable(ctx) }()
	h, _ := p.must(pdu.OpAsync)
	require.Equal(t, pdu.AsyncLogout, h.Async().Event())
	cancel()
	h, _ = p.must(pdu.OpAsync)
	require.Equal(t, pdu.AsyncDropSession, h.Async().Event())
	p.gone()
	<-done
	l.sessions(0)
}
