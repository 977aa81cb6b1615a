package iscsi

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// TestAttributes: task attributes reach the command.
func TestAttributes(t *testing.T) {
	l := newLab(t)
	var got atomic.Uint32
	l.fast.bidi = func(c *scsi.Command) error { got.Store(uint32(c.Attr)); return nil }
	p := l.login(false)
	for wire, want := range map[pdu.TaskAttr]scsi.TaskAttr{
		pdu.AttrUntagged: scsi.Simple, pdu.AttrSimple: scsi.Simple, pdu.AttrOrdered: scsi.Ordered,
		pdu.AttrHeadOfQueue: scsi.HeadOfQueue,
	} {
		c := p.command(0, append([]byte{0xC0}, make([]byte, 15)...), false, false, 0)
		c.SetAttr(wire)
		p.send(c.Header, nil)
		p.good()
		require.Equal(t, want, scsi.TaskAttr(got.Load()), "%v", wire)
	}
	c := p.command(0, make([]byte, 6), false, false, 0)
	c.SetAttr(pdu.AttrACA)
	p.send(c.Header, nil)
	p.fails(scsi.InvalidMessage) // there is no ACA condition
}

// TestUnixSocket: sockets other than TCP have descriptors too.
func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "iscsi") // short enough for an address
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l := newLab(t)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- l.srv.Serve(ln) }()
	nc, err := net.Dial("unix", ln.Addr().String())
	require.NoError(t, err)
	p := &peer{t: t, nc: nc, cmdSN: 1, itt: 1, isid: pdu.ISID{0x80}}
	p.login()
	p.clearUA(0)
	data := pattern(1, 256<<10)
	c := p.writeCmd(0, 0, 512)
	_, h, b := p.sendWrite(c, data, writeMode{"both", true, true})
	status, _ := p.statusOf(&h, b)
	require.Equal(t, scsi.StatusGood, status)
	require.Equal(t, data, l.fast.peek(0, len(data)))
	require.NoError(t, nc.Close())
	require.NoError(t, l.srv.Close())
	require.ErrorIs(t, <-done, ErrServerClosed)
}

// TestLUNsChange: a LUN that appears is announced, by an asynchronous message and by a
// unit attention.
func TestLUNsChange(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	extra, err := l.eng.AddDevice("extra", newLabLU(false), nil)
	require.NoError(t, err)
	require.NoError(t, l.tgt.Map(5, extra, nil))
	h, data := p.must(pdu.OpAsync)
	require.Equal(t, pdu.AsyncSCSI, h.Async().Event())
	e, err := scsi.ParseSense(data[2:])
	require.NoError(t, err)
	require.Equal(t, scsi.ReportedLUNsChanged, e.Sense)
	p.send(p.readCmd(0, 0, 1).Header, nil)
	p.fails(scsi.ReportedLUNsChanged)
	require.NoError(t, l.tgt.Unmap(context.Background(), 5))
	p.must(pdu.OpAsync)
}

// TestLog: what an initiator does again and again is logged once; names of targets and
// initiators are in what concerns sessions.
func TestLog(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	l := newLab(t, func(s *Server) {
		s.Logger = zap.New(core)
		s.Options.CongestionControl = "no-such-thing"
	})
	for range 3 {
		p := l.login(false)
		for range 100 {
			c := p.readCmd(0, 0, 1)
			c.SetAttr(7)
			p.send(c.Header, nil)
			p.rejected(pdu.RejectInvalidField, c.Header)
			p.cmdSN--
		}
		p.send(p.logoutPDU(pdu.LogoutCloseSession, 0), nil)
		p.must(pdu.OpLogoutResp)
		p.gone()
	}
	l.sessions(0)
	require.Equal(t, 3, logs.FilterMessageSnippet("rejected").Len())
	require.Equal(t, 1, logs.FilterMessageSnippet("congestion").Len())
	for _, what := range []string{"session opened", "session closed"} {
		found := logs.FilterMessageSnippet(what).All()
		require.Len(t, found, 3)
		fields := found[0].ContextMap()
		require.Equal(t, labInitiator, fields[logInitiator])
		require.Equal(t, labTarget, fields[logTarget])
		require.True(t, strings.HasPrefix(fields[logRemote].(string), "127.0.0.1:"))
	}
}
