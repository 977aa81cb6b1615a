package iscsi

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/internal/invariant"
)

// shuttle sends one command again and again, without allocating anything itself.
type shuttle struct {
	p     *peer
	cmd   pdu.SCSICommand
	wire  []byte
	data  []byte
	out   pdu.Header
	reply []byte
}

func (p *peer) newShuttle(c pdu.SCSICommand, immediate []byte) *shuttle {
	s := &shuttle{p: p, cmd: c, wire: p.wire(c.Header, nil, immediate), reply: make([]byte, 1<<20)}
	p.itt-- // the tag and the number are taken again and again
	p.cmdSN--
	return s
}

// start sends the command.
func (s *shuttle) start() {
	h := (*pdu.Header)(s.wire)
	h.SetITT(s.p.itt)
	h.Request().SetCmdSN(s.p.cmdSN)
	s.p.itt++
	s.p.cmdSN++
	_, err := s.p.nc.Write(s.wire)
	s.must(err)
}

// next reads a PDU.
func (s *shuttle) next() *pdu.Header {
	_, err := io.ReadFull(s.p.nc, s.reply[:pdu.HeaderLen])
	s.must(err)
	h := (*pdu.Header)(s.reply)
	_, err = io.ReadFull(s.p.nc, s.reply[pdu.HeaderLen:h.WireLen(s.p.hd, s.p.dd)])
	s.must(err)
	return h
}

// read is one read command.
func (s *shuttle) read() {
	s.start()
	for {
		if h := s.next(); h.Opcode() != pdu.OpDataIn || h.DataIn().HasStatus() {
			s.check(h.Opcode() == pdu.OpDataIn && h.DataIn().Status() == 0)
			return
		}
	}
}

// write is one write command with all that it is asked for.
func (s *shuttle) write() {
	s.start()
	for {
		h := s.next()
		if h.Opcode() != pdu.OpR2T {
			s.check(h.Opcode() == pdu.OpSCSIResponse && h.SCSIResponse().Status() == 0)
			return
		}
		r := h.R2T()
		off, n := r.Offset(), r.DesiredLen()
		d := s.out.InitDataOut()
		d.SetITT(h.ITT())
		d.SetTTT(r.TTT())
		d.SetOffset(off)
		d.SetFinal(true)
		d.SetDataLen(int(n))
		_, err := s.p.nc.Write(s.out[:])
		s.must(err)
		_, err = s.p.nc.Write(s.data[off : off+n])
		s.must(err)
	}
}

func (s *shuttle) check(ok bool) {
	if !ok {
		require.FailNow(s.p.t, "command failed")
	}
}

func (s *shuttle) must(err error) {
	if err != nil {
		require.NoError(s.p.t, err)
	}
}

// loops are the command loops that the gates and benchmarks run.
func loops(p *peer) map[string]func() {
	data := pattern(1, 256<<10)
	small, large := p.newShuttle(p.writeCmd(0, 0, 8), data[:4096]), p.newShuttle(p.writeCmd(0, 0, 512), nil)
	solicited := p.newShuttle(p.writeCmd(0, 0, 8), nil)
	large.data, solicited.data = data, data
	return map[string]func(){
		"read 4 KiB":             p.newShuttle(p.readCmd(0, 0, 8), nil).read,
		"read 256 KiB":           p.newShuttle(p.readCmd(0, 0, 512), nil).read,
		"write 4 KiB, immediate": small.write,
		"write 4 KiB, solicited": solicited.write,
		"write 256 KiB":          large.write,
	}
}

// TestNoAllocations: a command in steady state allocates nothing, in server, engine and
// handler together.
func TestNoAllocations(t *testing.T) {
	if invariant.Enabled || raceEnabled {
		return // their bookkeeping allocates
	}
	for _, digest := range []string{"None", "CRC32C"} {
		l := newLab(t)
		p := l.login(false, "HeaderDigest=None,CRC32C", "DataDigest="+digest, "MaxRecvDataSegmentLength=65536",
			"MaxBurstLength=262144")
		if digest != "None" {
			p.dd = true
		}
		for name, f := range loops(p) {
			if digest != "None" && name[0] == 'w' {
				continue // the shuttle computes no digests
			}
			for range 100 {
				f()
			}
			require.Zero(t, testing.AllocsPerRun(300, f), "%s, digest %s", name, digest)
		}
	}
}

// BenchmarkLoopback is one command at a time over the loopback device.
func BenchmarkLoopback(b *testing.B) {
	for _, name := range []string{"read 4 KiB", "write 4 KiB, immediate", "write 4 KiB, solicited", "read 256 KiB", "write 256 KiB"} {
		b.Run(name, func(b *testing.B) {
			l := newLab(b)
			p := l.login(false, "MaxRecvDataSegmentLength=262144")
			f := loops(p)[name]
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// BenchmarkDepth has 32 reads of 4 KiB under way.
func BenchmarkDepth(b *testing.B) {
	l := newLab(b)
	p := l.login(false, "MaxRecvDataSegmentLength=262144")
	const depth = 32
	s := p.newShuttle(p.readCmd(0, 0, 8), nil)
	batch := make([]byte, 0, depth*len(s.wire))
	reply := make([]byte, depth*(pdu.HeaderLen+4096))
	b.ReportAllocs()
	for b.Loop() {
		batch = batch[:0]
		for range depth {
			h := (*pdu.Header)(s.wire)
			h.Request().SetCmdSN(p.cmdSN)
			p.cmdSN++
			batch = append(batch, s.wire...)
		}
		_, err := p.nc.Write(batch)
		s.must(err)
		_, err = io.ReadFull(p.nc, reply)
		s.must(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/depth, "ns/cmd")
}
