package iscsi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// alive shows that the session still works.
func (p *peer) alive() {
	p.t.Helper()
	p.send(p.command(0, make([]byte, 6), false, false, 0).Header, nil)
	p.good()
}

// outCase is a write that is answered with data that is not as agreed.
type outCase struct {
	name  string
	final bool // F of the command
	data  int  // immediate data
	send  func(p *peer, c pdu.SCSICommand, data []byte)
	sense scsi.Sense
}

// r2t reads an R2T.
func (p *peer) r2t() pdu.R2T {
	p.t.Helper()
	h, _ := p.must(pdu.OpR2T)
	return h.R2T()
}

// TestDataOutViolations: data-out that breaks a rule ends its command, and that alone, with
// CHECK CONDITION, once all that was asked for has come. Nothing is written.
func TestDataOutViolations(t *testing.T) {
	const none = pdu.ReservedTag
	cases := []outCase{
		{"wrong DataSN", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 1, 0, true), data)
		}, scsi.ProtocolCRCError},
		{"DataSN goes back", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0, false), data[:4096])
			p.send(p.dataOut(c, r.TTT(), 0, 4096, true), data[4096:])
		}, scsi.ProtocolCRCError},
		{"offset too high", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 512, true), data[512:])
		}, senseBadOffset},
		{"offset beyond 31 bits", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0xFFFFFE00, true), data)
		}, senseBadOffset},
		{"gap within a sequence", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0, false), data[:512])
			p.send(p.dataOut(c, r.TTT(), 1, 1024, true), data[1024:])
		}, senseBadOffset},
		{"F too early", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0, true), data[:4096])
		}, scsi.NotEnoughUnsolicited},
		{"no F", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0, false), data)
		}, scsi.DataPhaseError},
		{"more than asked for", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT(), 0, 0, true), append(data, 1, 2, 3, 4))
		}, scsi.NotEnoughUnsolicited},
		{"wrong TTT", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			r := p.r2t()
			p.send(p.dataOut(c, r.TTT()+1, 0, 0, true), data)
		}, senseBadTTT},
		{"unsolicited data that was not announced", true, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			p.r2t()
			p.send(p.dataOut(c, none, 0, 0, true), data)
		}, scsi.UnexpectedUnsolicited},
		{"unsolicited data with a wrong DataSN", false, 0, func(p *peer, c pdu.SCSICommand, data []byte) {
			p.send(p.dataOut(c, none, 3, 0, true), data)
		}, scsi.ProtocolCRCError},
		{"unsolicited data with a wrong offset", false, 4096, func(p *peer, c pdu.SCSICommand, data []byte) {
			p.send(p.dataOut(c, none, 0, 0, true), data[:4096])
		}, senseBadOffset},
		{"unsolicited data without F", false, 4096, func(p *peer, c pdu.SCSICommand, data []byte) {
			p.send(p.dataOut(c, none, 0, 4096, false), data[4096:])
		}, scsi.DataPhaseError},
		{"more unsolicited data than the command has", false, 4096, func(p *peer, c pdu.SCSICommand, data []byte) {
			p.send(p.dataOut(c, none, 0, 4096, true), append(data[4096:], 0, 0, 0, 0))
		}, scsi.NotEnoughUnsolicited},
		{"more immediate data than the command has", true, 8196, nil, scsi.NotEnoughUnsolicited},
		{"more immediate data than FirstBurstLength", true, 16388, nil, scsi.UnexpectedUnsolicited},
	}
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t, func(s *Server) { s.Options.Offer.FirstBurstLength = 16384 })
		p := l.login(pipe, "InitialR2T=No", "ImmediateData=Yes", "MaxRecvDataSegmentLength=65536", "FirstBurstLength=65536")
		for _, x := range cases {
			t.Run(x.name, func(t *testing.T) {
				p.t = t
				data := pattern(1, 32768)
				c := p.writeCmd(0, 100, 16)
				c.SetFinal(x.final)
				p.send(c.Header, data[:x.data])
				if x.send != nil {
					x.send(p, c, data[:8192:8192])
				}
				p.fails(x.sense)
				p.alive()
			})
		}
		p.t = t
		require.Zero(t, l.fast.writes())
	})
}

// TestUnsolicitedNotAllowed: what was negotiated is insisted on.
func TestUnsolicitedNotAllowed(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "InitialR2T=Yes", "ImmediateData=No")
	c := p.writeCmd(0, 0, 1)
	p.send(c.Header, make([]byte, 512))
	p.fails(scsi.UnexpectedUnsolicited)
	c = p.writeCmd(0, 0, 1)
	c.SetFinal(false)
	p.send(c.Header, nil)
	p.send(p.dataOut(c, pdu.ReservedTag, 0, 0, true), make([]byte, 512))
	p.fails(scsi.UnexpectedUnsolicited)
	p.alive()
	require.Zero(t, l.fast.writes())
}

// TestShortFirstBurst: a first burst that stays short although the command has more ends
// the command; if it would have held all data, the rest is asked for.
func TestShortFirstBurst(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "InitialR2T=No", "FirstBurstLength=4096", "MaxRecvDataSegmentLength=65536")
	data := pattern(2, 8192)
	c := p.writeCmd(0, 0, 16)
	c.SetFinal(false)
	p.send(c.Header, data[:1024])
	r := p.r2t() // for what is beyond the first burst: on its way already
	require.Equal(t, uint32(4096), r.Offset())
	p.send(p.dataOut(c, pdu.ReservedTag, 0, 1024, true), data[1024:2048])
	p.answerR2T(c, r, data, 8192)
	p.fails(scsi.NotEnoughUnsolicited)

	c = p.writeCmd(0, 0, 8)
	c.SetFinal(false)
	p.send(c.Header, data[:1024])
	p.send(p.dataOut(c, pdu.ReservedTag, 0, 1024, true), data[1024:2048])
	r = p.r2t()
	require.Equal(t, uint32(2048), r.Offset())
	require.Equal(t, uint32(2048), r.DesiredLen())
	p.answerR2T(c, r, data, 8192)
	p.good()
	require.Equal(t, data[:4096], l.fast.peek(0, 4096))
}

// TestEarlyEnd: a command that ends without its data is answered when the unsolicited
// data that it announced has come, which is dropped.
func TestEarlyEnd(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "InitialR2T=No", "MaxRecvDataSegmentLength=65536")
		bad := append([]byte{0xEE}, make([]byte, 15)...) // no such operation code
		c := p.command(0, bad, false, true, 4096)
		c.SetFinal(false)
		p.send(c.Header, make([]byte, 1024))
		p.send(p.dataOut(c, pdu.ReservedTag, 0, 1024, false), make([]byte, 1024))
		probe := p.command(0, make([]byte, 6), false, false, 0)
		p.send(probe.Header, nil)
		h, _ := p.must(pdu.OpSCSIResponse)
		require.Equal(t, probe.ITT(), h.ITT(), "the response did not wait")
		p.send(p.dataOut(c, pdu.ReservedTag, 1, 2048, true), make([]byte, 2048))
		p.fails(scsi.InvalidOpcode)

		// The same with all data in the command, which is dropped as it comes.
		c = p.command(0, bad, false, true, 60000)
		p.send(c.Header, make([]byte, 60000))
		p.fails(scsi.InvalidOpcode)
		p.alive()
	})
}

// TestStrayData: Data-Out for commands that do not exist is dropped.
func TestStrayData(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe)
		c := p.writeCmd(0, 0, 8)
		p.send(p.dataOut(c, 5, 0, 0, true), make([]byte, 4096))
		p.send(p.dataOut(c, pdu.ReservedTag, 0, 0, true), make([]byte, 200000))
		p.cmdSN--
		p.alive()
	})
}

// TestDigestErrors: a wrong data digest ends the command, a wrong header digest the
// connection.
func TestDigestErrors(t *testing.T) {
	for _, size := range []int{4096, 200 << 10} { // in the receive buffer, and straight
		l := newLab(t)
		p := l.login(false, "HeaderDigest=CRC32C", "DataDigest=CRC32C", "FirstBurstLength=262144", "MaxBurstLength=262144")
		flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		data := pattern(1, size)

		c := p.writeCmd(0, 0, size/512)
		p.sendRaw(flip(p.wire(c.Header, nil, data)))
		p.digestFailure(c.Header)

		c = p.writeCmd(0, 0, size/512)
		p.send(c.Header, nil)
		r := p.r2t()
		h := p.dataOut(c, r.TTT(), 0, 0, true)
		p.sendRaw(flip(p.wire(h, nil, data)))
		p.digestFailure(h)

		var ping pdu.Header
		n := ping.InitNOPOut()
		n.SetImmediate(true)
		n.SetITT(1)
		p.sendRaw(flip(p.wire(&ping, nil, data)))
		p.rejected(pdu.RejectDataDigest, &ping)
		p.alive()
		require.Zero(t, l.fast.writes())

		c = p.readCmd(0, 0, 1)
		b := p.wire(c.Header, nil, nil)
		b[20]++
		p.sendRaw(b)
		p.gone()
	}
}

// digestFailure reads what answers data with a wrong digest, in either order.
func (p *peer) digestFailure(bad *pdu.Header) {
	p.t.Helper()
	for range 2 {
		h, data, err := p.receive()
		require.NoError(p.t, err)
		if h.Opcode() == pdu.OpReject {
			require.Equal(p.t, pdu.RejectDataDigest, h.Reject().Reason())
			require.Equal(p.t, bad[:], data)
			continue
		}
		require.Equal(p.t, pdu.OpSCSIResponse, h.Opcode())
		status, sense := p.statusOf(&h, data)
		require.Equal(p.t, scsi.StatusCheckCondition, status)
		require.Equal(p.t, scsi.ProtocolCRCError, sense)
	}
}
