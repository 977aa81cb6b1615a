package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestRemoveTarget: a target that has been removed takes no logins and no units, and what
// it used is free.
func TestRemoveTarget(t *testing.T) {
	leak.Goroutines(t)
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(5, b.dev, nil))
	p := b.login("a", nil)
	require.NoError(t, b.tgt.Remove(t.Context()))
	require.ErrorIs(t, <-p.closed, engine.ErrTargetRemoved)
	_, ok := b.e.Target("iqn.2026-11.example:bench")
	require.False(t, ok)
	require.Empty(t, b.e.Targets())
	require.Zero(t, b.dev.Stats().Mapped)
	require.ErrorIs(t, b.tgt.Map(0, b.dev, nil), engine.ErrNotFound)
	require.ErrorIs(t, g.Map(0, b.dev, nil), engine.ErrNotFound)
	require.ErrorIs(t, b.tgt.Group("new").Map(0, b.dev, nil), engine.ErrNotFound)
	b.tgt.Enable()
	require.False(t, b.tgt.Enabled())
	require.False(t, b.tgt.Admits("a"))
	_, err := b.tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, p)
	require.ErrorIs(t, err, engine.ErrTargetRemoved)
	require.NoError(t, b.tgt.Remove(t.Context()), "once more does no harm")
	// Its name and its port are free.
	again, err := b.e.AddTarget("iqn.2026-11.example:bench", &engine.TargetOptions{RelativeID: b.tgt.RelativeID()})
	require.NoError(t, err)
	require.False(t, again.Enabled())
	require.NoError(t, b.dev.Remove(t.Context()))
	b.close()
}

// TestRemoveTargetLater: a stuck command holds Remove up; the target is not half there
// meanwhile, and a second call ends when the command does.
func TestRemoveTargetLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		var pending scsi.Pending
		h.exec = func(c *scsi.Command) error { pending = c.Defer(); return nil }
		p.send(1, read1...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, b.tgt.Remove(ctx), context.DeadlineExceeded)
		require.Len(t, b.e.Targets(), 1)
		b.tgt.Enable()
		require.False(t, b.tgt.Enabled())
		pending.Done(nil)
		require.NoError(t, b.tgt.Remove(t.Context()))
		require.Empty(t, b.e.Targets())
		b.close()
	})
}

// TestRemoveGroup: its initiators see what the group shows that they belong to then, and
// keep what is the same there.
func TestRemoveGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		g := b.tgt.Group("g")
		require.NoError(t, g.Map(0, b.dev, nil))
		require.NoError(t, g.Map(1, b.dev, nil))
		require.NoError(t, g.AddInitiator("a*"))
		p := b.login("a1", nil)
		require.Equal(t, 2, p.s.Info().LUNs)
		var pending scsi.Pending
		h.exec = func(c *scsi.Command) error {
			if c.Tag == 1 {
				pending = c.Defer()
			}
			return nil
		}
		p.ask(scsi.Request{Tag: 9, LUN: scsi.MakeLUN(1, scsi.LUNPeripheral)}, read1...) // power on
		p.ask(scsi.Request{Tag: 1, LUN: scsi.MakeLUN(1, scsi.LUNPeripheral)}, read1...)
		removed := make(chan error, 1)
		go func() { removed <- g.Remove(t.Context()) }()
		synctest.Wait()
		require.Equal(t, "", p.s.Info().Group)
		require.Equal(t, 1, p.s.Info().LUNs)
		require.Len(t, b.tgt.Groups(), 1)
		require.Empty(t, removed, "it waits for what is not seen any more")
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, g.Remove(soon), context.DeadlineExceeded, "and so it does when it is called again")
		pending.Done(nil)
		require.NoError(t, <-removed)
		p.take()
		p.send(2, read1...)
		p.send(3, read1...)
		require.Equal(t, []string{"2 CHECK CONDITION unit attention: reported luns data has changed (6/3f/0e)", "3 GOOD in=512"}, p.take())
		require.Equal(t, 1, b.dev.Stats().Mapped)
		require.ErrorIs(t, g.Map(7, b.dev, nil), engine.ErrNotFound)
		require.NoError(t, g.Remove(t.Context()), "once more does no harm")
		require.NotSame(t, g, b.tgt.Group("g"), "the name is free")
		require.Error(t, b.tgt.Group("").Remove(t.Context()))
		b.close()
	})
}

func TestCloseSession(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	p, q := b.login("a", nil), b.login("b", nil)
	list := b.tgt.Sessions()
	require.Len(t, list, 2)
	require.Equal(t, "a", list[0].Initiator)
	bye := errors.New("bye")
	require.NoError(t, b.tgt.CloseSession(list[0].ID, bye))
	require.Equal(t, bye, <-p.closed)
	<-p.s.Done()
	require.ErrorIs(t, b.tgt.CloseSession(list[0].ID, bye), engine.ErrNotFound)
	_, err := b.tgt.Latency(list[0].ID)
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.Len(t, b.tgt.Sessions(), 1)
	require.NotNil(t, q.s)
	b.close()
}

// TestQueueLimit is the window that transports offer: room for the queues of all that the
// session sees, within a bound, also when that changes.
func TestQueueLimit(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, &engine.DeviceOptions{QueueDepth: 7})
	deep, err := b.e.AddDevice("deep", &hooks{}, &engine.DeviceOptions{QueueDepth: 1 << 20})
	require.NoError(t, err)
	p := b.login("a", nil)
	require.Equal(t, 7, p.s.QueueLimit())
	require.NoError(t, b.tgt.Map(1, deep, nil))
	require.Equal(t, 65536+7, p.s.QueueLimit(), "clamped")
	deep.SetQueueDepth(9)
	require.Equal(t, 9+7, p.s.QueueLimit())
	deep.SetQueueDepth(1000)
	for lun := range uint16(9) {
		require.NoError(t, b.tgt.Map(lun+2, deep, nil))
	}
	require.Equal(t, 1000+1024, p.s.QueueLimit(), "bounded")
	require.Zero(t, testing.AllocsPerRun(10, func() { p.s.QueueLimit() }), "it is not made anew")
	for lun := range uint16(9) {
		require.NoError(t, b.tgt.Unmap(t.Context(), lun+2))
	}
	deep.SetQueueDepth(-1)
	require.Equal(t, 1, deep.Stats().QueueDepth)
	require.NoError(t, b.tgt.Unmap(t.Context(), 1))
	require.NoError(t, b.tgt.Unmap(t.Context(), 0))
	require.Equal(t, 128, p.s.QueueLimit(), "something, if there is nothing to see")
	b.close()
}

// TestSetQueueDepth: a smaller depth holds for the commands to come.
func TestSetQueueDepth(t *testing.T) {
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	b := newBench(t, h, nil, &engine.DeviceOptions{QueueDepth: 3})
	p := b.login("a", nil)
	pending := map[uint64]scsi.Pending{}
	h.exec = func(c *scsi.Command) error { pending[c.Tag] = c.Defer(); return nil }
	p.send(1, read1...)
	p.send(2, read1...)
	b.dev.SetQueueDepth(1)
	p.send(3, read1...)
	pending[1].Done(nil)
	p.send(4, read1...)
	pending[2].Done(nil)
	p.send(5, read1...)
	pending[5].Done(nil)
	require.Equal(t, []string{"3 TASK SET FULL", "1 GOOD in=512", "4 TASK SET FULL", "2 GOOD in=512", "5 GOOD in=512"}, p.take())
	b.close()
}

func TestSetWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{}
		b := newBench(t, h, nil, &engine.DeviceOptions{Workers: 1})
		p := b.login("a", nil)
		synctest.Wait()
		gate := make(chan bool)
		h.exec = func(*scsi.Command) error { <-gate; return nil }
		for tag := range uint64(6) {
			p.send(tag, read1...)
		}
		synctest.Wait()
		require.Equal(t, 5, b.dev.Stats().Waiting)
		b.dev.SetWorkers(4)
		synctest.Wait()
		require.Equal(t, 2, b.dev.Stats().Waiting)
		// A HEAD OF QUEUE task is the next one.
		p.ask(scsi.Request{Tag: 77, Attr: scsi.HeadOfQueue}, read1...)
		synctest.Wait()
		h.take()
		gate <- true
		synctest.Wait()
		require.Equal(t, []string{"exec 77"}, sorted(h.take(), "exec"))
		close(gate)
		synctest.Wait()
		b.close()
	})
}

// TestStats counts once, in every place where somebody looks, and forgets nothing when
// sessions and units go.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p, q := b.login("a", nil), b.login("b", nil) // one error each
		var pending scsi.Pending
		h.exec = func(c *scsi.Command) error {
			switch c.Tag {
			case 4:
				return scsi.MediumReadError
			case 5:
				pending = c.Defer()
			case 6:
				return scsi.ErrConditionMet
			}
			return nil
		}
		p.send(1, read1...)
		p.send(2, write1...)
		p.send(3, tur...)
		p.send(4, read1...)
		q.send(6, tur...)
		q.sent = errors.New("lost")
		q.send(7, read1...)
		q.sent = nil
		q.data = func(c *scsi.Command) { c.DataReceived(scsi.DataPhaseError) }
		q.send(8, write1...)
		q.ask(scsi.Request{LUN: scsi.MakeLUN(9, scsi.LUNPeripheral)}, tur...)
		p.send(5, read1...)
		<-time.After(3 * time.Second) // of the bubble

		a := engine.Traffic{Commands: 5, Errors: 2, BytesIn: 512, BytesOut: 512}
		ofB := engine.Traffic{Commands: 5, Errors: 4}
		infos := b.tgt.Sessions()
		require.Equal(t, a, infos[0].Traffic)
		require.Equal(t, 1, infos[0].Live)
		require.Equal(t, ofB, infos[1].Traffic)
		all := engine.Traffic{Commands: 10, Errors: 6, BytesIn: 512, BytesOut: 512}
		s := b.e.Stats()
		require.Equal(t, all, s.Traffic)
		require.Equal(t, 1, s.Live)
		require.Equal(t, 2, s.Sessions)
		require.Equal(t, 1, s.Targets)
		require.Equal(t, 1, s.Devices)
		require.NotZero(t, s.MemoryUsed)
		d := b.dev.Stats()
		require.Equal(t, engine.Traffic{Commands: 9, Errors: 5, BytesIn: 512, BytesOut: 512}, d.Traffic)
		require.Equal(t, 2, d.Nexuses)
		require.Equal(t, 1, d.Live)
		require.Equal(t, 3*time.Second, d.Oldest)
		require.Equal(t, []uint64{4, 3, 2, 0}, []uint64{d.Latency[scsi.DirNone].Count(), d.Latency[scsi.DirIn].Count(), d.Latency[scsi.DirOut].Count(), d.Latency[scsi.DirBoth].Count()})
		require.Zero(t, d.Latency[scsi.DirIn].Max)

		pending.Done(nil)
		l, err := b.tgt.Latency(infos[0].ID)
		require.NoError(t, err)
		require.Equal(t, uint64(3), l[scsi.DirIn].Count())
		require.Equal(t, int64(3*time.Second), l[scsi.DirIn].Max, "from Submit to the end")
		require.Zero(t, l[scsi.DirOut].Max)
		a.Commands++
		a.BytesIn += 512
		require.Equal(t, a, b.tgt.Sessions()[0].Traffic)

		// What has gone has been counted all the same.
		require.NoError(t, b.tgt.Unmap(t.Context(), 0))
		require.Equal(t, a, b.tgt.Sessions()[0].Traffic)
		require.Equal(t, uint64(10), b.dev.Stats().Commands)
		p.s.Close(nil)
		<-p.s.Done()
		all.Commands++
		all.BytesIn += 512
		require.Equal(t, all, b.e.Stats().Traffic)
		require.Equal(t, int64(3*time.Second), b.dev.Stats().Latency[scsi.DirIn].Max)
		b.close()
		require.Equal(t, all, b.e.Stats().Traffic)
	})
}

// TestInfo tells where a session is, and Commands what it does.
func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		start := time.Now()
		p := &port{closed: make(chan error, 1)}
		var err error
		p.s, err = b.tgt.Login(t.Context(), fabric.Initiator{Name: "iqn.a", Address: "10.0.0.1:5"}, p)
		require.NoError(t, err)
		require.Equal(t, engine.SessionInfo{
			Target: "iqn.2026-11.example:bench", ID: 1, Initiator: "iqn.a", Address: "10.0.0.1:5", Opened: start, LUNs: 1,
		}, p.s.Info())
		require.Same(t, b.tgt, p.s.Target())
		p.send(1, tur...)
		var pending scsi.Pending
		h.exec = func(c *scsi.Command) error { pending = c.Defer(); return nil }
		p.send(2, read1...)
		<-time.After(time.Minute) // of the bubble
		p.data = func(*scsi.Command) {}
		p.ask(scsi.Request{Tag: 3, Attr: scsi.Ordered, LUN: scsi.MakeLUN(0, scsi.LUNFlat)}, write1...)
		p.manage(scsi.AbortTask, 2)
		c := p.s.NewCommand() // not submitted
		list := b.e.Commands()
		require.Len(t, list, 2, "the oldest first")
		require.Equal(t, engine.CommandInfo{
			Target: "iqn.2026-11.example:bench", Initiator: "iqn.a", Session: 1, Device: "disk", Tag: 2,
			State: engine.StateExec, Age: time.Minute, CDB: read1, Name: "READ(10)", Aborted: true,
		}, list[0])
		require.Equal(t, engine.StateDataWait, list[1].State)
		require.Equal(t, scsi.Ordered, list[1].Attr)
		require.Equal(t, "WRITE(10)", list[1].Name)
		require.Equal(t, 3, p.s.Info().Live)
		pending.Done(nil)
		p.manage(scsi.AbortTaskSet, 0)
		h.exec = nil
		c.SetCDB(tur)
		p.s.Submit(c)
		b.close()
	})
}

// TestManyLUNs: 300 units, some with the longer form of their number, listed, reached,
// reset and taken away.
func TestManyLUNs(t *testing.T) {
	const units = 300
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	b := newBench(t, h, nil, nil)
	for lun := 1; lun < units; lun++ {
		d, err := b.e.AddDevice(fmt.Sprint("disk", lun), h, nil)
		require.NoError(t, err)
		require.NoError(t, b.tgt.Map(uint16(lun), d, nil))
	}
	var luns []scsi.LUN
	p := b.login("a", nil)
	p.respond = func(c *scsi.Command) {
		if c.Op().Op != scsi.OpReportLUNs {
			return
		}
		d, n := c.DataIn()
		data := make([]byte, n)
		_, err := d.ReadAt(data, 0)
		require.NoError(t, err)
		for at := 8; at+8 <= n; at += 8 {
			luns = append(luns, scsi.ParseLUN([8]byte(data[at:at+8])))
		}
	}
	p.send(1, 0xA0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0)
	require.Equal(t, []string{fmt.Sprintf("1 GOOD in=%d", 8+8*units)}, p.take())
	require.Len(t, luns, units)
	for i, l := range luns {
		n, ok := l.Number()
		require.True(t, ok)
		require.Equal(t, uint16(i), n)
		if i > 0 {
			p.ask(scsi.Request{Tag: 2, LUN: l}, tur...)
			require.Equal(t, []string{"2 CHECK CONDITION unit attention: power on, reset, or bus device reset occurred (6/29/00)"}, p.take())
		}
		p.ask(scsi.Request{Tag: 3, LUN: l}, read1...)
		require.Equal(t, []string{"3 GOOD in=512"}, p.take())
	}
	h.take()
	done := make(chan bool)
	p.s.Manage(&fabric.Task{Function: scsi.QueryTaskSet, LUN: luns[units-1]})
	require.Equal(t, []string{"QUERY TASK SET: FUNCTION COMPLETE"}, p.takeAnswers())
	h.reset = func() {
		if len(sorted(h.take(), "reset")) > 0 {
			done <- true
		}
	}
	p.manage(scsi.TargetReset, 0)
	for range units {
		<-done
	}
	for _, l := range b.tgt.Group("").LUNs() {
		require.NoError(t, b.tgt.Unmap(t.Context(), l.LUN))
	}
	require.Zero(t, p.s.Info().LUNs)
	require.Zero(t, b.dev.Stats().Nexuses)
	b.close()
}

// TestBadLUNs: forms of addresses that this target has nothing at.
func TestBadLUNs(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	p := b.login("a", nil)
	const refused = "CHECK CONDITION illegal request: logical unit not supported (5/25/00)"
	evpd := []byte{0x12, 1, 0x83, 0, 255, 0}
	for _, l := range []scsi.LUN{
		scsi.MakeLUN(1, scsi.LUNPeripheral), scsi.MakeLUN(1, scsi.LUNExtended), scsi.MakeLUN(0x3FFF, scsi.LUNFlat),
		scsi.MakeLUN(0xFFFF, scsi.LUNExtended), scsi.WellKnownReportLUNs, 0x0101 << 48, 0x0000_0001 << 32, 0xFFFFFFFFFFFFFFFF, 1,
	} {
		ask := func(cdb ...byte) string {
			p.ask(scsi.Request{Tag: 1, LUN: l}, cdb...)
			return strings.TrimPrefix(p.take()[0], "1 ")
		}
		require.Equal(t, refused, ask(tur...), "%v", l)
		require.Equal(t, refused, ask(write1...))
		require.Equal(t, refused, ask(0xC0, 0))
		require.Equal(t, refused, ask(evpd...))
		require.Equal(t, "GOOD in=36", ask(inquiry...), "peripheral qualifier 011b")
		require.Equal(t, "GOOD in=18", ask(3, 0, 0, 0, 18, 0), "REQUEST SENSE")
		require.Equal(t, "GOOD in=16", ask(0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0), "REPORT LUNS")
		require.Equal(t, "CHECK CONDITION illegal request: invalid field in cdb (5/24/00)", ask(0xA0, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0))
		require.Equal(t, "CHECK CONDITION illegal request: invalid field in cdb (5/24/00)", ask(0xA0, 0))
		require.Equal(t, "CHECK CONDITION illegal request: invalid command operation code (5/20/00)", ask())
		for fn := scsi.AbortTask; fn <= scsi.NexusReset; fn++ {
			if fn == scsi.TargetReset || fn == scsi.ColdReset || fn == scsi.NexusReset {
				continue
			}
			p.s.Manage(&fabric.Task{Function: fn, LUN: l})
			require.Equal(t, []string{fmt.Sprintf("%v: INCORRECT LOGICAL UNIT NUMBER", fn)}, p.takeAnswers())
		}
	}
	// Each of these is LUN 0.
	for _, l := range []scsi.LUN{0, 0x4000 << 48, 0x8000 << 48, 0xD2000000 << 32} {
		p.ask(scsi.Request{Tag: 1, LUN: l}, tur...)
		require.Equal(t, []string{"1 GOOD"}, p.take(), "%v", l)
	}
	p.s.Manage(&fabric.Task{Function: 99})
	require.Equal(t, []string{"unknown task management function: FUNCTION NOT SUPPORTED"}, p.takeAnswers())
	b.close()
}

// TestUnmapAgain: a call that could not wait to the end leaves commands that the next one
// waits for, wherever their initiators are by then.
func TestUnmapAgain(t *testing.T) {
	for name, leave := range map[string]func(x *heirs, a *port) error{
		"stays": func(*heirs, *port) error { return nil },
		"moves": func(x *heirs, _ *port) error { return x.g.RemoveInitiator("a") },
		"ends": func(_ *heirs, a *port) error {
			a.s.Close(nil)
			return nil
		},
	} {
		for when, early := range map[string]bool{"before": true, "in between": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newHeirs(t)
					require.NoError(t, x.g.Map(1, x.other, nil))
					a := x.login("a", nil)
					held := x.hold(a, 1)
					if early {
						require.NoError(t, x.tgt.Unmap(t.Context(), 0)) // so that a does not keep it
						require.NoError(t, leave(x, a))
						synctest.Wait()
					}
					for range 2 {
						soon, cancel := context.WithTimeout(t.Context(), time.Second)
						require.ErrorIs(t, x.g.Unmap(soon, 0), context.DeadlineExceeded)
						cancel()
						if !early {
							require.NoError(t, leave(x, a))
						}
						early = true
					}
					require.Empty(t, a.take())
					require.NoError(t, x.g.Map(0, x.other, nil), "the number is free")
					unmapped := make(chan error, 1)
					go func() { unmapped <- x.g.Unmap(t.Context(), 0) }()
					synctest.Wait()
					require.Empty(t, unmapped)
					held.Done(nil)
					require.NoError(t, <-unmapped)
					require.Len(t, a.take(), 1)
					synctest.Wait()
					require.ErrorIs(t, x.g.Unmap(t.Context(), 0), engine.ErrNotFound)
					require.NoError(t, x.g.Unmap(t.Context(), 1), "another number is not concerned")
					x.close()
				})
			})
		}
	}
}

// TestRemoveGroupUnmapsAll: a stuck command of one logical unit keeps no other one mapped.
func TestRemoveGroupUnmapsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHeirs(t)
		require.NoError(t, x.g.Map(1, x.other, nil))
		a := x.login("a", nil)
		held := x.hold(a, 1)
		require.NoError(t, x.tgt.Unmap(t.Context(), 0))
		for range 2 {
			soon, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, x.g.Remove(soon), context.DeadlineExceeded)
			cancel()
			require.Empty(t, x.g.LUNs())
			require.NoError(t, x.other.Remove(t.Context()))
		}
		removed := make(chan error, 1)
		go func() { removed <- x.g.Remove(t.Context()) }()
		synctest.Wait()
		require.Empty(t, removed)
		held.Done(nil)
		require.NoError(t, <-removed)
		x.close()
	})
}
