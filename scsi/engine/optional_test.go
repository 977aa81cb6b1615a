package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// The optional interfaces of handlers and endpoints, each with what the engine promises.

func TestParser(t *testing.T) {
	vendor := []byte{0xC0, 0, 0, 0, 0, 0}
	lengths := func(in, out int64, writes bool) func(*scsi.Command, *scsi.Parsed) error {
		return func(c *scsi.Command, p *scsi.Parsed) error {
			p.In, p.Out, p.Writes = in, out, writes
			return nil
		}
	}
	tests := []struct {
		name  string
		kind  scsi.Parse
		parse func(*scsi.Command, *scsi.Parsed) error
		cdb   []byte
		exec  func(c *scsi.Command) error
		want  string
		calls []string
	}{
		{"standard asks nobody", scsi.ParseStandard, lengths(9, 9, true), read1, nil, "5 GOOD in=512", []string{"exec 5"}},
		{"unknown: not the known ones", scsi.ParseUnknown, lengths(9, 9, true), read1, nil, "5 GOOD in=512", []string{"exec 5"}},
		{"unknown: the others", scsi.ParseUnknown, lengths(100, 0, false), vendor, fill(0x77), "5 GOOD in=100", []string{"parse c0h", "exec 5"}},
		{"all", scsi.ParseAll, lengths(256, 0, false), read1, fill(1), "5 GOOD in=256", []string{"parse 28h", "exec 5"}},
		{"its error ends the command", scsi.ParseUnknown, nil, vendor, nil, "5 CHECK CONDITION illegal request: invalid command operation code (5/20/00)", []string{"parse c0h"}},
		{"its status too", scsi.ParseAll, func(*scsi.Command, *scsi.Parsed) error { return scsi.ErrBusy }, read1, nil, "5 BUSY", []string{"parse 28h"}},
		{"a negative length", scsi.ParseAll, lengths(-1, 0, false), vendor, nil, "5 CHECK CONDITION illegal request: invalid field in cdb (5/24/00)", []string{"parse c0h"}},
		{"too long", scsi.ParseAll, lengths(0, 16<<20+1, false), vendor, nil, "5 CHECK CONDITION illegal request: invalid field in cdb (5/24/00)", []string{"parse c0h"}},
		{"both ways", scsi.ParseUnknown, lengths(100, 300, true), vendor, both(100, 300), "5 GOOD in=100", []string{"parse c0h", "exec 5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &hooks{desc: scsi.Description{Parse: tt.kind, NonBlocking: true}, parse: tt.parse}
			b := newBench(t, h, nil, nil)
			p := b.login("a", nil)
			h.take()
			h.exec = tt.exec
			p.send(5, tt.cdb...)
			require.Equal(t, []string{tt.want}, p.take())
			calls := h.take()
			require.Equal(t, tt.calls, calls[:len(calls)-1], "besides Finish")
			b.close()
		})
	}
}

// fill answers with the whole buffer.
func fill(with byte) func(c *scsi.Command) error {
	return func(c *scsi.Command) error {
		b := make([]byte, c.Data().Len())
		for i := range b {
			b[i] = with
		}
		return c.Reply(b)
	}
}

// both wants buffers of the given lengths, and answers.
func both(in, out int) func(c *scsi.Command) error {
	return func(c *scsi.Command) error {
		if c.Data().Len() != in || c.DataOut().Len() != out || c.ReceiveBuffer() != c.DataOut() {
			return fmt.Errorf("buffers of %d and %d bytes", c.Data().Len(), c.DataOut().Len())
		}
		return c.Reply(make([]byte, in))
	}
}

// TestParsedWrites: what the Parser says changes the medium is refused where nothing may
// change it, when the command's turn has come: after a unit attention.
func TestParsedWrites(t *testing.T) {
	h := &hooks{desc: scsi.Description{Parse: scsi.ParseUnknown, NonBlocking: true}}
	h.parse = func(c *scsi.Command, p *scsi.Parsed) error {
		p.Writes = c.CDB()[0] == 0xC0
		return nil
	}
	b := newBench(t, h, nil, nil)
	p := b.login("a", nil)
	require.NoError(t, b.tgt.Group("").Replace(t.Context(), 0, b.dev, &engine.LUNOptions{ReadOnly: true}))
	p.take()
	p.send(1, 0xC0, 0)
	p.send(2, 0xC0, 0)
	p.send(3, 0xC1, 0)
	require.Equal(t, []string{
		"1 CHECK CONDITION unit attention: inquiry data has changed (6/3f/03)",
		"2 CHECK CONDITION data protect: write protected (7/27/00)",
		"3 GOOD",
	}, p.take())
	b.close()
}

func TestBufferProvider(t *testing.T) {
	pool := sgv.NewPool(nil)
	get := func(add int) func(c *scsi.Command, n int) (*sgv.Buf, error) {
		return func(c *scsi.Command, n int) (*sgv.Buf, error) { return pool.Get(n+add, nil) }
	}
	none := func(*scsi.Command, int) (*sgv.Buf, error) { return nil, errors.ErrUnsupported }
	broken := func(*scsi.Command, int) (*sgv.Buf, error) { return nil, scsi.InsufficientResources }
	empty := func(*scsi.Command, int) (*sgv.Buf, error) { return nil, nil }
	const failed = "5 CHECK CONDITION hardware error: internal target failure (4/44/00)"
	tests := []struct {
		name               string
		transport, handler func(c *scsi.Command, n int) (*sgv.Buf, error)
		want               string
		own                bool // the buffer is not of the engine's pool
		asked              bool // the handler was asked
	}{
		{"nobody", nil, nil, "5 GOOD in=512", false, false},
		{"the handler", nil, get(0), "5 GOOD in=512", true, true},
		{"the transport", get(0), get(0), "5 GOOD in=512", true, false},
		{"the handler has none", nil, none, "5 GOOD in=512", false, true},
		{"the transport has none", none, get(0), "5 GOOD in=512", true, true},
		{"the handler fails", nil, broken, "5 CHECK CONDITION illegal request: insufficient resources (5/55/03)", false, true},
		{"too short", nil, get(-1), failed, false, true},
		{"too long", get(1), nil, failed, false, false},
		{"nothing at all", nil, empty, failed, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &hooks{desc: scsi.Description{NonBlocking: true}, buffer: tt.handler}
			b := newBench(t, h, nil, nil)
			p := b.login("a", &port{buffer: tt.transport})
			h.take()
			h.exec = func(c *scsi.Command) error {
				if tt.own {
					require.Equal(t, 1, pool.Outstanding())
				} else {
					require.Zero(t, pool.Outstanding())
				}
				return nil
			}
			p.send(5, read1...)
			require.Equal(t, []string{tt.want}, p.take())
			require.Equal(t, tt.asked, h.take()[0] == "buffer 512")
			require.Zero(t, pool.Outstanding(), "the buffer was not given back")
			b.close()
		})
	}
	require.NoError(t, pool.Close())
}

// TestFinisher tells the handler of every end of a command that reached its task set.
func TestFinisher(t *testing.T) {
	lost := errors.New("connection lost")
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true, Control: scsi.Control{TAS: true}}}
		pending := map[uint64]scsi.Pending{}
		h.exec = func(c *scsi.Command) error {
			if c.Op().Op == scsi.OpRead10 {
				pending[c.Tag] = c.Defer()
			}
			return nil
		}
		b := newBench(t, h, nil, nil)
		p, q := b.login("a", nil), b.login("b", nil)
		h.take()
		p.send(1, tur...)
		require.Equal(t, []string{"exec 1", "finish 1 GOOD aborted=false delivered=<nil>"}, h.take())
		p.sent = lost
		p.send(2, tur...)
		p.sent = nil
		require.Equal(t, []string{"exec 2", "finish 2 GOOD aborted=false delivered=connection lost"}, h.take())
		p.send(3, read1...)
		q.send(4, read1...)
		h.take()
		p.manage(scsi.ClearTaskSet, 0)
		pending[3].Done(nil)
		pending[4].Done(nil)
		require.Equal(t, []string{
			"received CLEAR TASK SET 0 of a",
			"finish 3 GOOD aborted=true delivered=<nil>",
			"finish 4 TASK ABORTED aborted=true delivered=<nil>",
			"done CLEAR TASK SET of a",
		}, h.take())
		p.data = func(c *scsi.Command) { c.DataReceived(scsi.DataPhaseError) }
		p.send(5, write1...)
		require.Equal(t, []string{"finish 5 CHECK CONDITION aborted=false delivered=<nil>"}, h.take(), "never executed")
		p.ask(scsi.Request{Tag: 6, LUN: scsi.MakeLUN(9, scsi.LUNFlat)}, tur...)
		require.Empty(t, h.take(), "no task of this unit")
		b.close()
	})
}

// TestTaskObserver: before the abort, and after the tasks have ended, for every function
// that ends tasks, and for the end of a session.
func TestTaskObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		pending := map[uint64]scsi.Pending{}
		h.exec = func(c *scsi.Command) error {
			if c.Op().Op == scsi.OpRead10 {
				pending[c.Tag] = c.Defer()
			}
			return nil
		}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		functions := []scsi.TaskFunction{scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearTaskSet, scsi.LogicalUnitReset, scsi.TargetReset, scsi.NexusReset}
		for i, fn := range functions {
			tag := uint64(10 + i)
			p.send(tag, tur...) // the unit attention of the function before
			p.send(tag, read1...)
			h.take()
			p.manage(fn, tag)
			asked := uint64(0)
			if fn == scsi.AbortTask {
				asked = tag
			}
			require.Equal(t, []string{fmt.Sprintf("received %v %d of a", fn, asked)}, h.take())
			pending[tag].Done(nil)
			synctest.Wait()
			want := []string{fmt.Sprintf("finish %d GOOD aborted=true delivered=<nil>", tag), fmt.Sprintf("done %v of a", fn)}
			if fn == scsi.LogicalUnitReset || fn == scsi.TargetReset {
				want = []string{want[0], "reset", want[1]}
			}
			require.Equal(t, want, h.take())
		}
		p.manage(scsi.QueryTaskSet, 0)
		p.ask(scsi.Request{LUN: scsi.MakeLUN(7, scsi.LUNFlat)}, tur...)
		require.Empty(t, h.take(), "nothing ends")
		p.send(20, tur...)
		p.send(20, read1...)
		h.take()
		p.s.Close(nil)
		synctest.Wait()
		require.Equal(t, []string{"received I_T NEXUS RESET 0 of a"}, h.take())
		pending[20].Done(nil)
		<-p.s.Done()
		require.Equal(t, []string{"finish 20 GOOD aborted=true delivered=<nil>", "done I_T NEXUS RESET of a", "detach a"}, h.take())
		b.close()
		require.Equal(t, []string{"close"}, h.take())
	})
}

// TestAttacher: a handler that refuses an initiator does not exist for it.
func TestAttacher(t *testing.T) {
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	h.attach = func(n *scsi.Nexus) error {
		if n.Initiator == "stranger" {
			return errors.New("not for you")
		}
		n.Value = "known"
		return nil
	}
	h.exec = func(c *scsi.Command) error {
		require.Equal(t, "known", c.Nexus().Value)
		require.Equal(t, uint16(0), c.Nexus().LUN)
		return nil
	}
	b := newBench(t, h, nil, nil)
	p, q := b.login("friend", nil), b.login("stranger", nil)
	p.send(1, tur...)
	require.Equal(t, []string{"1 GOOD"}, p.take())
	q.send(2, tur...)
	require.Equal(t, []string{"2 CHECK CONDITION illegal request: logical unit not supported (5/25/00)"}, q.take())
	require.Zero(t, q.s.Info().LUNs)
	require.Equal(t, 1, b.dev.Stats().Nexuses)
	h.take()

	// Who may see it decides anew when it is mapped anew, and only who is concerned hears of it.
	h.attach = func(n *scsi.Nexus) error {
		if n.Initiator == "friend" {
			return errors.New("not any more")
		}
		n.Value = "known"
		return nil
	}
	require.NoError(t, b.tgt.Group("").Replace(t.Context(), 0, b.dev, nil))
	p.send(3, tur...)
	require.Equal(t, []string{"3 CHECK CONDITION illegal request: logical unit not supported (5/25/00)"}, p.take())
	q.send(4, tur...)
	q.send(5, tur...)
	q.send(6, tur...)
	require.Equal(t, []string{
		"4 CHECK CONDITION unit attention: power on, reset, or bus device reset occurred (6/29/00)",
		"5 CHECK CONDITION unit attention: reported luns data has changed (6/3f/0e)",
		"6 GOOD",
	}, q.take())
	b.close()
	require.Equal(t, []string{
		"attach friend", "attach stranger", "detach friend",
		"exec 6", "finish 4 CHECK CONDITION aborted=false delivered=<nil>",
	}, sorted(h.take(), "attach", "detach friend", "exec", "finish 4"))
}

// sorted keeps the lines that begin with one of the prefixes, in the order of those.
func sorted(lines []string, prefixes ...string) (out []string) {
	for _, p := range prefixes {
		for _, l := range lines {
			if len(l) >= len(p) && l[:len(p)] == p {
				out = append(out, l)
			}
		}
	}
	return out
}

func TestCloser(t *testing.T) {
	broken := errors.New("the cache could not be written")
	h := &hooks{close: func() error { return broken }}
	b := newBench(t, h, nil, nil)
	require.ErrorIs(t, b.dev.Remove(t.Context()), engine.ErrInUse)
	require.Empty(t, h.take())
	require.NoError(t, b.tgt.Unmap(t.Context(), 0))
	require.ErrorIs(t, b.dev.Remove(t.Context()), broken)
	require.Equal(t, []string{"close"}, h.take())
	require.NoError(t, b.dev.Remove(t.Context()), "once")
	require.Empty(t, h.take())
	require.ErrorIs(t, b.tgt.Map(0, b.dev, nil), engine.ErrNotFound)
	require.NoError(t, b.e.Close())

	b = newBench(t, &hooks{close: func() error { return broken }}, nil, nil)
	require.ErrorIs(t, b.e.Close(), broken)
}

// TestContext: a command's context ends with the command, as that of an HTTP request does.
func TestContext(t *testing.T) {
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	var ctx context.Context
	over := make(chan bool)
	h.exec = func(c *scsi.Command) error {
		if c.Tag == 1 {
			ctx = c.Context()
			context.AfterFunc(ctx, func() { close(over) })
		} else {
			require.NoError(t, c.Context().Err(), "the context of another command")
		}
		return nil
	}
	b := newBench(t, h, nil, nil)
	p := b.login("a", nil)
	p.send(1, tur...)
	<-over
	require.Equal(t, context.Canceled, ctx.Err())
	p.send(2, tur...)
	require.Equal(t, []string{"1 GOOD", "2 GOOD"}, p.take())
	b.close()
}

// TestOpcodeLister: what is not in the list is refused, down to service actions.
func TestOpcodeLister(t *testing.T) {
	rows := func(cdbs ...[]byte) (list []*scsi.OpInfo) {
		for _, cdb := range cdbs {
			list = append(list, scsi.Lookup(scsi.TypeDisk, cdb))
		}
		return list
	}
	capacity := []byte{0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}
	status := []byte{0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}
	read32 := []byte{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 9, 31: 0}
	write32 := []byte{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 11, 31: 0}
	h := &lister{hooks{desc: scsi.Description{NonBlocking: true}}, rows(tur, read1, capacity, read32)}
	b := newBench(t, h, nil, nil)
	p := b.login("a", nil)
	const (
		opcode = "CHECK CONDITION illegal request: invalid command operation code (5/20/00)"
		field  = "CHECK CONDITION illegal request: invalid field in cdb (5/24/00)"
	)
	for i, tt := range []struct {
		cdb  []byte
		want string
	}{
		{tur, "GOOD"}, {capacity, "GOOD"}, {read32, "GOOD"},
		{write1, opcode}, {[]byte{0xC0, 0}, opcode}, {[]byte{}, opcode},
		{status, field}, {write32, field}, {append([]byte{0x9E, 0x1F}, status[2:]...), field},
		{[]byte{0xA3, 0x05, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0}, field},
		{[]byte{0xA3, 0x1F, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0}, field},
	} {
		p.send(uint64(i), tt.cdb...)
		require.Equal(t, []string{fmt.Sprintf("%d %s", i, tt.want)}, p.take(), "%x", tt.cdb)
	}
	b.close()
}

type lister struct {
	hooks
	list []*scsi.OpInfo
}

func (l *lister) Opcodes() []*scsi.OpInfo { return l.list }
