package iscsi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// TestWindowIgnores: requests outside the command window, and repeated ones, are ignored
// in silence, with their data.
func TestWindowIgnores(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "InitialR2T=No")
		for _, off := range []uint32{0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 1000} { // just before, and beyond
			c := p.writeCmd(0, 0, 8)
			p.cmdSN--
			c.SetCmdSN(p.cmdSN + off)
			c.SetFinal(false)
			p.send(c.Header, make([]byte, 1024))
			p.send(p.dataOut(c, pdu.ReservedTag, 0, 1024, true), make([]byte, 3072))
		}
		p.alive()
		require.Zero(t, l.fast.writes())
		l.counted(func(n Counters) bool { return n.Ignored == 4 })
	})
}

// TestWindowSize: the initiator may send as many commands as the engine takes, and no
// more; what is answered makes room, and MaxCmdSN never goes back.
func TestWindowSize(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	var ping pdu.Header
	n := ping.InitNOPOut()
	n.SetImmediate(true)
	n.SetITT(77)
	n.SetCmdSN(p.cmdSN)
	p.send(&ping, nil)
	h, _ := p.must(pdu.OpNOPIn)
	window := int(h.Response().MaxCmdSN() - h.Response().ExpCmdSN() + 1)
	require.Equal(t, 128, window) // both queue depths

	// LUN 1 takes 64 commands of one initiator; the other half is turned away.
	for range window {
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
	}
	last := h.Response().MaxCmdSN()
	for i := range window / 2 {
		h, data := p.must(pdu.OpSCSIResponse)
		status, _ := p.statusOf(&h, data)
		require.Equal(t, scsi.StatusTaskSetFull, status)
		require.Equal(t, last+uint32(i)+1, h.Response().MaxCmdSN())
	}
	for range window / 2 {
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
	}
	for range window / 2 {
		p.must(pdu.OpSCSIResponse)
	}
	require.Less(t, len(l.slow.entered), 65)
	close(l.slow.open)
	for range window / 2 {
		h, _ := p.must(pdu.OpDataIn)
		require.False(t, pdu.Less(h.Response().MaxCmdSN(), last))
		last = h.Response().MaxCmdSN()
	}
	require.Equal(t, uint32(window), last-p.cmdSN+1, "the window is open again")
}

// TestClosedWindow: a command beyond the closed window is ignored until there is room.
func TestClosedWindow(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	for range 64 {
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
	}
	for range 64 {
		p.send(p.writeCmd(0, 0, 1).Header, nil) // wait for their data
	}
	for range 64 {
		p.must(pdu.OpR2T)
	}
	beyond := p.command(0, make([]byte, 6), false, false, 0)
	p.send(beyond.Header, nil)
	l.counted(func(n Counters) bool { return n.Ignored == 1 })
	close(l.slow.open)
	for range 64 {
		p.must(pdu.OpDataIn)
	}
	p.cmdSN-- // it was not received
	p.send(p.command(1, make([]byte, 6), false, false, 0).Header, nil)
	p.good()
}

// TestSilentWindow: when commands end without an answer, the initiator is told that the
// window is open again (RFC 7143 4.2.2.1).
func TestSilentWindow(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	q := l.connect(false)
	q.isid[5]++
	q.login()
	q.clearUA(0)
	for i := range 128 {
		p.send(p.writeCmd(uint64(i%2), 0, 1).Header, nil)
	}
	for range 128 {
		p.must(pdu.OpR2T)
	}
	q.send(q.tmf(pdu.FuncLUNReset, 0, pdu.ReservedTag, 0), nil)
	q.taskResult(pdu.TaskComplete)
	h, _ := p.must(pdu.OpNOPIn)
	require.Equal(t, pdu.ReservedTag, h.ITT())
	require.Equal(t, pdu.ReservedTag, h.NOPIn().TTT(), "no answer is wanted")
	require.Equal(t, p.cmdSN, h.Response().ExpCmdSN())
	require.False(t, pdu.Less(h.Response().MaxCmdSN(), p.cmdSN))
	p.clearUA(0)
}

// TestImmediateBound: immediate commands have no place in the window, but there is a
// bound.
func TestImmediateBound(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	for range maxImmediates {
		c := p.readCmd(1, labStuck, 1)
		p.cmdSN--
		c.SetCmdSN(p.cmdSN)
		c.SetImmediate(true)
		p.send(c.Header, nil)
	}
	c := p.readCmd(1, labStuck, 1)
	p.cmdSN--
	c.SetCmdSN(p.cmdSN)
	c.SetImmediate(true)
	p.send(c.Header, nil)
	p.rejected(pdu.RejectTooManyImmediate, c.Header)
	p.alive() // in order
	close(l.slow.open)
	for range maxImmediates {
		h, _ := p.must(pdu.OpDataIn)
		require.Equal(t, p.cmdSN, h.Response().ExpCmdSN(), "immediate commands do not count")
	}
}

// TestGap: after a rejected command those behind it wait, with their data, until the
// initiator fills the gap (RFC 7143 7.3).
func TestGap(t *testing.T) {
	for _, fill := range []string{"command", "abort"} {
		eachTransport(t, func(t *testing.T, pipe bool) {
			l := newLab(t)
			p := l.login(pipe, "InitialR2T=No")
			bad := p.command(0, make([]byte, 6), false, false, 512) // neither R nor W
			p.send(bad.Header, nil)
			p.rejected(pdu.RejectInvalidField, bad.Header)

			data := pattern(4, 70000)
			c := p.writeCmd(0, 8, 8)
			c.SetFinal(false)
			p.send(c.Header, data[:1024])
			p.send(p.dataOut(c, pdu.ReservedTag, 0, 1024, true), data[1024:4096])
			d := p.writeCmd(0, 16, 128)
			p.send(d.Header, data[:8192]) // the rest is asked for
			p.send(c.Header, data[:1024]) // a duplicate
			require.Zero(t, l.fast.writes())

			switch fill {
			case "command":
				f := p.command(0, make([]byte, 6), false, false, 0)
				p.cmdSN--
				f.SetCmdSN(bad.CmdSN())
				p.send(f.Header, nil)
				p.good()
			case "abort":
				p.send(p.tmf(pdu.FuncAbortTask, 0, bad.ITT(), bad.CmdSN()), nil)
			}
			if fill == "abort" {
				h, _ := p.must(pdu.OpTaskResponse)
				require.Equal(t, pdu.TaskComplete, h.TaskResponse().Result())
			}
			done := 0
			for done < 2 {
				h, _, err := p.receive()
				require.NoError(t, err)
				if h.Opcode() == pdu.OpR2T {
					require.Equal(t, d.ITT(), h.ITT())
					p.answerR2T(d, h.R2T(), data, 8192)
					continue
				}
				require.Equal(t, pdu.OpSCSIResponse, h.Opcode())
				done++
			}
			require.Equal(t, data[:4096], l.fast.peek(8, 4096))
			require.Equal(t, data[:65536], l.fast.peek(16, 65536))
			p.alive()
		})
	}
}

// TestRejectTakesNoNumber: a request in the command order that is rejected has not been received,
// whatever it is: its number is due still, and the window is as it was (RFC 7143 7.3).
func TestRejectTakesNoNumber(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	ping := func() (exp, last uint32) {
		var h pdu.Header
		n := h.InitNOPOut()
		n.SetITT(77)
		n.SetImmediate(true)
		n.SetCmdSN(p.cmdSN)
		p.send(&h, nil)
		h, _ = p.must(pdu.OpNOPIn)
		return h.Response().ExpCmdSN(), h.Response().MaxCmdSN()
	}
	exp, last := ping()
	for op, spoil := range map[pdu.Opcode]func(h *pdu.Header) (data []byte){
		pdu.OpSCSICommand: func(h *pdu.Header) []byte { h.InitSCSICommand().SetAttr(7); return nil },
		pdu.OpNOPOut:      func(h *pdu.Header) []byte { h.InitNOPOut().SetFinal(false); return nil },
		pdu.OpTaskRequest: func(h *pdu.Header) []byte { h.InitTaskRequest(pdu.FuncLUNReset); return []byte("data") },
		pdu.OpTextRequest: func(h *pdu.Header) []byte { h.InitTextRequest(); return []byte("no pair") },
		pdu.OpLogoutReq:   func(h *pdu.Header) []byte { h.InitLogoutRequest(77); return nil },
		pdu.OpSNACK:       func(h *pdu.Header) []byte { h.InitSNACK(pdu.SNACKStatus); return nil },
		0x1C:              func(h *pdu.Header) []byte { h.Init(0x1C); return []byte("data") },
	} {
		var h pdu.Header
		data := spoil(&h)
		h.SetImmediate(false)
		h.SetITT(5)
		h.Request().SetCmdSN(p.cmdSN)
		p.send(&h, data)
		r, _ := p.must(pdu.OpReject)
		require.Equal(t, exp, r.Response().ExpCmdSN(), "%v", op)
		require.Equal(t, last, r.Response().MaxCmdSN(), "%v", op)
		p.alive() // with the same number
		exp, last = exp+1, last+1
		gotExp, gotLast := ping()
		require.Equal(t, exp, gotExp, "%v", op)
		require.Equal(t, last, gotLast, "%v", op)
	}
}

// TestGapAbortHeld: a command that waits behind a gap is aborted before it starts.
func TestGapAbortHeld(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	bad := p.command(0, make([]byte, 6), false, false, 512)
	p.send(bad.Header, nil)
	p.rejected(pdu.RejectInvalidField, bad.Header)
	c := p.writeCmd(0, 8, 8)
	p.send(c.Header, make([]byte, 4096))
	p.send(p.tmf(pdu.FuncAbortTask, 0, c.ITT(), c.CmdSN()), nil)
	p.taskResult(pdu.TaskComplete)
	reset := p.tmf(pdu.FuncLUNReset, 0, pdu.ReservedTag, 0) // is about the missing command too
	p.send(reset, nil)
	f := p.command(0, make([]byte, 6), false, false, 0)
	p.cmdSN--
	f.SetCmdSN(bad.CmdSN())
	p.send(f.Header, nil)
	p.good()
	p.taskResult(pdu.TaskComplete)
	p.clearUA(0)
	require.Zero(t, l.fast.writes())
}

// TestGapBound: what waits behind a gap is bounded.
func TestGapBound(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "FirstBurstLength=262144")
	bad := p.command(0, make([]byte, 6), false, false, 512)
	p.send(bad.Header, nil)
	p.rejected(pdu.RejectInvalidField, bad.Header)
	go func() {
		for range 8 {
			c := p.writeCmd(0, 0, 512)
			if _, err := p.nc.Write(p.wire(c.Header, nil, make([]byte, 262144))); err != nil {
				return
			}
		}
	}()
	p.gone()
}

// TestGapAbortBound: commands that are aborted before they come, and never come, are bounded
// too, although each opens the window for another.
func TestGapAbortBound(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		for i := uint32(1); ; i++ { // the command that is due stays away
			require.LessOrEqual(t, i, uint32(2*maxHeldBytes/heldCost))
			h := p.tmf(pdu.FuncAbortTask, 0, 1<<30+i, p.cmdSN+i)
			h.Request().SetCmdSN(p.cmdSN + i + 1)
			if _, err := p.nc.Write(p.wire(h, nil, nil)); err != nil {
				return
			}
			if _, _, err := p.receive(); err != nil {
				return
			}
		}
	})
}
