package iscsi

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/internal/script"
	"github.com/goscst/goscst/scsi"
)

// TestSessionScripts plays sessions whose every byte is in testdata/session. Commands are
// executed inline, and a ping behind each step tells when all that answers it has come.
func TestSessionScripts(t *testing.T) {
	script.RunDir(t, "testdata/session", func(t *testing.T) script.Func {
		l := newLab(t, func(s *Server) {
			s.Advertise = func(string, net.Addr) []Portal { return []Portal{{Host: "192.0.2.1"}, {Host: "2001:db8::1", Group: 2}} }
		})
		l.fast.poke(0, pattern(1, 1<<20))
		return (&play{t: t, l: l}).run
	})
}

// play is a session that a script describes.
type play struct {
	t    *testing.T
	l    *lab
	p    *peer
	last pdu.SCSICommand
	ttt  uint32 // of the last R2T
}

func (y *play) run(c *script.Cmd) string {
	switch c.Name {
	case "login": // login KEY=VALUE in lines
		y.p = y.l.connect(false)
		y.p.isid = pdu.ISID{0, 2, 0x3D, 0, 0, 1}
		y.p.login(strings.Fields(c.Input)...)
		return ""
	case "ready":
		y.p.clearUA(0)
		return ""
	case "cdb":
		return y.command(c)
	case "out":
		return y.dataOut(c)
	case "task":
		h := y.p.tmf(pdu.TaskFunction(c.Int("fn", 0)), uint64(c.Int("lun", 0)), uint32(int32(c.Int("ref", -1))), uint32(c.Int("refsn", 0)))
		b := y.p.wire(h, nil, nil)
		y.p.sendRaw(b)
		s := strings.Builder{}
		fmt.Fprintf(&s, "> %s\n", wireText(b, h))
		y.read(&s, pdu.OpTaskResponse)
		return s.String()
	case "raw": // raw op=N, with fields set by offset
		var h pdu.Header
		h.Init(pdu.Opcode(c.Int("op", 0)))
		h.SetImmediate(!c.Flag("ordered"))
		h.SetFinal(!c.Flag("noF"))
		h[2] = byte(c.Int("b2", 0))
		h.SetITT(uint32(c.Int("itt", 0x99)))
		h.Request().SetCmdSN(y.p.cmdSN)
		return y.send(c, &h, pattern(2, c.Int("data", 0)))
	case "nop":
		var h pdu.Header
		n := h.InitNOPOut()
		n.SetITT(uint32(c.Int("itt", 0x42)))
		n.SetCmdSN(y.p.cmdSN)
		y.p.cmdSN++
		return y.send(c, &h, []byte(c.Str("text", "")))
	case "text":
		var h pdu.Header
		r := h.InitTextRequest()
		r.SetFinal(true)
		r.SetITT(0x77)
		r.SetImmediate(true)
		r.SetCmdSN(y.p.cmdSN)
		return y.send(c, &h, []byte(strings.ReplaceAll(c.Input, "\n", "\x00")))
	case "logout":
		y.p.send(y.p.logoutPDU(pdu.LogoutReason(c.Int("reason", 0)), 0), nil)
		var s strings.Builder
		y.read(&s, pdu.OpLogoutResp)
		return s.String()
	}
	c.Fatalf("unknown command")
	return ""
}

// command sends a SCSI Command.
func (y *play) command(c *script.Cmd) string {
	blocks := c.Int("blocks", 0)
	write, read := c.Flag("write"), c.Flag("read")
	cdb := make([]byte, 16)
	switch {
	case c.Has("op"):
		cdb[0] = byte(c.Int("op", 0))
		cdb[4] = byte(c.Int("alloc", 0))
	case write:
		cdb = scsi.AppendWrite16(nil, uint64(c.Int("lba", 0)), uint32(blocks))
	case read:
		cdb = scsi.AppendRead16(nil, uint64(c.Int("lba", 0)), uint32(blocks))
	}
	y.last = y.p.command(uint64(c.Int("lun", 0)), cdb, read, write, c.Int("edtl", blocks*512))
	y.last.SetFinal(!c.Flag("noF"))
	return y.send(c, y.last.Header, pattern(3, c.Int("data", 0)))
}

// dataOut sends a Data-Out for the last command.
func (y *play) dataOut(c *script.Cmd) string {
	ttt := uint32(c.Int("ttt", int(y.ttt)))
	if c.Flag("unsolicited") {
		ttt = pdu.ReservedTag
	}
	h := y.p.dataOut(y.last, ttt, c.Int("sn", 0), int64(c.Int("off", 0)), c.Flag("F"))
	return y.send(c, h, pattern(4, c.Int("data", 0)))
}

// send sends a PDU and returns what comes back.
func (y *play) send(c *script.Cmd, h *pdu.Header, data []byte) string {
	b := y.p.wire(h, nil, data)
	if c.Flag("flip") { // a bit of the last byte: of the data digest
		b[len(b)-1] ^= 1
	}
	var s strings.Builder
	fmt.Fprintf(&s, "> %s\n", wireText(b, h))
	y.p.sendRaw(b)
	var ping pdu.Header
	n := ping.InitNOPOut()
	n.SetImmediate(true)
	n.SetITT(0xFFFF0000)
	n.SetCmdSN(y.p.cmdSN)
	y.p.send(&ping, nil)
	y.read(&s, pdu.OpNOPIn)
	return s.String()
}

// read shows PDUs until one of a kind: the ping's answer, which is not shown.
func (y *play) read(s *strings.Builder, last pdu.Opcode) {
	for {
		h, data, err := y.p.receive()
		require.NoError(y.t, err)
		if h.Opcode() == pdu.OpNOPIn && h.ITT() == 0xFFFF0000 {
			return
		}
		if h.Opcode() == pdu.OpR2T {
			y.ttt = h.R2T().TTT()
		}
		fmt.Fprintf(s, "< %s\n", wireText(y.p.wire(&h, nil, data), &h))
		if h.Opcode() == last && last != pdu.OpNOPIn {
			return
		}
	}
}

// wireText shows a PDU: its header in words of four bytes, and what follows, long data by
// its length and CRC.
func wireText(b []byte, h *pdu.Header) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v\n ", h.Opcode())
	for i := 0; i < pdu.HeaderLen; i += 4 {
		if i == 24 {
			s.WriteString("\n ")
		}
		fmt.Fprintf(&s, " %x", b[i:i+4])
	}
	if rest := b[pdu.HeaderLen:]; len(rest) > 64 {
		fmt.Fprintf(&s, "\n  %d bytes, CRC %08x", len(rest), pdu.CRC(rest))
	} else if len(rest) > 0 {
		fmt.Fprintf(&s, "\n  %s", bytes.TrimSpace([]byte(fmt.Sprintf("% x", rest))))
	}
	return s.String()
}
