package iscsi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// fuzzTape turns the bytes of a fuzz input into PDUs that are nearly right, which is where
// the mistakes are: tags and numbers come from small ranges, lengths from interesting
// ones.
type fuzzTape struct {
	in    []byte
	p     *peer
	out   []byte
	cmdSN uint32
}

func (f *fuzzTape) byte() byte {
	if len(f.in) == 0 {
		return 0
	}
	b := f.in[0]
	f.in = f.in[1:]
	return b
}

// n is a length: small ones and those around the limits of the session.
func (f *fuzzTape) n() int {
	v := int(f.byte())
	return []int{0, 1, 3, 4, 511, 512, 513, 1024, 4095, 4096, 4608, 8192, 8193, 16384, 20000, 32768}[v&15] + v>>7
}

func (f *fuzzTape) emit(h *pdu.Header, ahs []byte, n int) {
	h.SetLUN(uint64(f.byte()&1) << 48)
	h.SetITT(uint32(f.byte() & 7))
	b := f.p.wire(h, ahs, make([]byte, n))
	switch flip := f.byte(); {
	case flip >= 0xF8:
		b[int(flip)*7%len(b)] ^= 1 << (flip & 7)
	case flip >= 0xF4:
		b = b[:len(b)*int(flip&3)/4]
	}
	f.out = append(f.out, b...)
}

// sn sets the CmdSN: mostly the next one.
func (f *fuzzTape) sn(h *pdu.Header) {
	v := f.byte()
	h.SetImmediate(v&0x80 != 0)
	d := uint32(0)
	if v&0x70 == 0x70 {
		d = uint32(v&0xF) - 4
	}
	h.Request().SetCmdSN(f.cmdSN + d)
	if v&0x80 == 0 && d == 0 {
		f.cmdSN++
	}
}

// step appends a PDU.
func (f *fuzzTape) step() {
	var h pdu.Header
	switch kind := f.byte(); kind % 12 {
	case 0, 1, 2:
		c := h.InitSCSICommand()
		blocks := int(f.byte() % 40)
		cdb := scsi.AppendRead16(nil, uint64(f.byte()), uint32(blocks))
		c.SetRead(true)
		var ahs []byte
		if kind%12 != 0 {
			cdb[0] = byte(scsi.OpWrite16)
			c.SetRead(false)
			c.SetWrite(true)
			c.SetFinal(f.byte()&3 != 0)
		}
		if v := f.byte(); v >= 0xF0 {
			cdb[0] = f.byte()
			c.SetRead(v&1 != 0)
			c.SetWrite(v&2 != 0)
			if v&4 != 0 {
				ahs = pdu.AppendBidiReadLength(pdu.AppendExtendedCDB(nil, make([]byte, 20)), uint32(f.n()))
			}
		}
		c.SetAttr(pdu.TaskAttr(f.byte() % 6))
		c.SetCDB(cdb)
		c.SetExpectedLen(uint32(blocks * 512))
		if v := f.byte(); v >= 0xE0 {
			c.SetExpectedLen(uint32(f.n()))
		}
		f.sn(&h)
		n := 0
		if c.Write() {
			n = min(f.n(), int(c.ExpectedLen())+1)
		}
		f.emit(&h, ahs, n)
	case 3, 4, 5, 6:
		d := h.InitDataOut()
		if v := f.byte(); v < 0xC0 {
			d.SetTTT(uint32(v & 15))
		}
		d.SetDataSN(uint32(f.byte() & 3))
		d.SetOffset(uint32(f.n()))
		d.SetFinal(f.byte()&1 != 0)
		f.emit(&h, nil, f.n())
	case 7:
		r := h.InitTaskRequest(pdu.TaskFunction(f.byte() % 14))
		if v := f.byte(); v < 0x80 {
			r.SetRefTag(uint32(v & 7))
		}
		r.SetRefCmdSN(f.cmdSN - uint32(f.byte()&7) + 2)
		f.sn(&h)
		f.emit(&h, nil, 0)
	case 8:
		h.InitNOPOut()
		f.sn(&h)
		f.emit(&h, nil, f.n())
	case 9:
		r := h.InitTextRequest()
		r.SetFinal(f.byte()&1 != 0)
		r.SetContinue(f.byte()&3 == 0)
		if f.byte()&1 != 0 {
			r.SetTTT(uint32(f.byte() & 3))
		}
		f.sn(&h)
		f.emit(&h, nil, min(f.n(), 64))
	case 10:
		h.Init(pdu.Opcode(f.byte()))
		h.SetFinal(f.byte()&1 != 0)
		f.sn(&h)
		f.emit(&h, nil, f.n())
	case 11:
		if f.byte() == 0 {
			h.InitLogoutRequest(pdu.LogoutReason(f.byte() & 3))
			f.sn(&h)
			f.emit(&h, nil, 0)
			return
		}
		n := int(f.byte())
		f.out = append(f.out, f.in[:min(n, len(f.in))]...)
		f.in = f.in[min(n, len(f.in)):]
	}
}

// checkOutput reads what the target sends until it ends, and checks that an initiator
// could make sense of it.
func (p *peer) checkOutput(seg int) error {
	statSN, first := p.expStatSN, true
	for {
		var h pdu.Header
		if _, err := io.ReadFull(p.nc, h[:]); err != nil {
			return nil
		}
		n := h.WireLen(p.hd, p.dd) - pdu.HeaderLen
		if n > seg+64 || !h.Opcode().FromTarget() || h.AHSLen() != 0 {
			return fmt.Errorf("impossible PDU %v: % x", h.Opcode(), h)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(p.nc, b); err != nil {
			return nil // it may end anywhere when the session does
		}
		if p.hd {
			if pdu.CRC(h[:]) != pdu.Digest(b) {
				return errors.New("wrong header digest")
			}
			b = b[pdu.DigestLen:]
		}
		if at := h.PaddedDataLen(); p.dd && at > 0 && pdu.CRC(b[:at]) != pdu.Digest(b[at:]) {
			return errors.New("wrong data digest")
		}
		if h.Opcode() == pdu.OpDataIn && !h.DataIn().HasStatus() {
			continue
		}
		if !first && h.Response().StatSN() != statSN {
			return fmt.Errorf("StatSN %d of %v, %d was due", h.Response().StatSN(), h.Opcode(), statSN)
		}
		first, statSN = false, h.Response().StatSN()
		if h.Opcode() != pdu.OpR2T && !(h.Opcode() == pdu.OpNOPIn && h.ITT() == pdu.ReservedTag) {
			statSN++
		}
	}
}

// FuzzSession sends whole sessions to a server with an engine. Whatever comes, what the
// target says is well-formed, and nothing is left when the connection has ended.
func FuzzSession(f *testing.F) {
	f.Add(uint8(0), []byte{0, 8, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 1, 0, 0, 9, 0, 1, 0, 3, 1, 0, 0, 1, 9, 0, 1, 0})
	f.Add(uint8(3), bytes.Repeat([]byte{1, 16, 0, 1, 0, 1, 0, 0, 0, 0, 3, 3, 1, 0, 0, 1, 11, 0, 3, 0}, 8))
	f.Add(uint8(22), bytes.Repeat([]byte{1, 39, 0, 1, 0, 1, 0, 0, 14, 0, 1, 0, 3, 1, 0, 15, 1, 14, 0, 1, 0}, 6))
	f.Add(uint8(7), bytes.Repeat([]byte{2, 30, 1, 0, 0, 0, 0, 0, 5, 0, 2, 0, 4, 0xFF, 0, 5, 1, 9, 0, 2, 0}, 6))
	f.Add(uint8(1), []byte{7, 5, 0xFF, 0, 0x80, 0, 1, 0, 10, 0x1C, 1, 0x80, 5, 0, 0, 0, 8, 0x80, 3, 0, 5, 0, 11, 0, 0, 0x80, 0, 1, 0})
	f.Add(uint8(2), []byte{9, 1, 1, 0, 0x80, 4, 0, 0, 0, 11, 1, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	pool := sgv.NewPool(nil)
	eng := engine.New(&engine.Options{Pool: pool})
	tgt, err := eng.AddTarget(labTarget, nil)
	require.NoError(f, err)
	slow := newLabLU(true)
	close(slow.open)
	slow.entered = nil
	for i, h := range []scsi.Handler{newLabLU(false), slow} {
		d, err := eng.AddDevice(fmt.Sprint(i), h, nil)
		require.NoError(f, err)
		require.NoError(f, tgt.Map(uint16(i), d, nil))
	}
	tgt.Enable()
	f.Cleanup(func() {
		require.NoError(f, eng.Close())
		require.NoError(f, pool.Close())
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f, err)
	f.Cleanup(func() { ln.Close() })
	f.Fuzz(func(t *testing.T, mode uint8, in []byte) {
		a, b := net.Pipe()
		if mode&16 != 0 { // a descriptor is read and written in ways of its own
			a, err = net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			b, err = ln.Accept()
			require.NoError(t, err)
		}
		srv := &Server{Engine: eng}
		fuzzSession(t, srv, a, b, mode, in)
		require.Zero(t, pool.Outstanding())
	})
}

// fuzzSession plays one session.
func fuzzSession(t *testing.T, srv *Server, a, b net.Conn, mode uint8, in []byte) {
	srv.Options.Offer.MaxRecvDataSegmentLength = 32768
	srv.init()
	srv.start(b)
	p := &peer{t: t, nc: a, itt: 1, cmdSN: 1, isid: pdu.ISID{0x80}}
	yes := func(bit uint8, yes, no string) string {
		if mode&bit != 0 {
			return yes
		}
		return no
	}
	p.login("HeaderDigest="+yes(1, "CRC32C", "None"), "DataDigest="+yes(1, "CRC32C", "None"),
		"InitialR2T="+yes(2, "No", "Yes"), "ImmediateData="+yes(4, "Yes", "No"), "FirstBurstLength=8192",
		"MaxBurstLength=32768", "MaxOutstandingR2T=3", "MaxRecvDataSegmentLength=4096",
		"iSCSIProtocolLevel="+yes(8, "2", "1"))
	p.clearUA(0)
	p.clearUA(1)
	tape := &fuzzTape{in: in, p: p, cmdSN: p.cmdSN}
	for steps := 0; len(tape.in) > 0 && steps < 200; steps++ {
		tape.step()
	}
	done := make(chan error, 1)
	go func() { done <- p.checkOutput(4096) }()
	_ = a.SetDeadline(time.Now().Add(patience))
	_, _ = a.Write(tape.out)
	ping := pdu.Header{}
	ping.InitNOPOut().SetITT(1)
	ping.SetImmediate(true)
	_, _ = a.Write(p.wire(&ping, nil, nil)) // all before it has been read when it has
	a.Close()
	require.NoError(t, <-done)
	require.NoError(t, srv.Close())
	require.Eventually(t, func() bool { return srv.Stats().Sessions == 0 }, patience, time.Millisecond/10)
}
