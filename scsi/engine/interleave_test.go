package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// These tests put one thing into the middle of another, through the calls that the engine
// makes of handlers and endpoints there.

// TestAbortMeetsNewCommand: while an abort ends one task, the data of another one that it
// has to stop arrives, and its command is used again. The new command is not stopped.
func TestAbortMeetsNewCommand(t *testing.T) {
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	b := newBench(t, h, nil, nil)
	var waiting []*scsi.Command
	var stopped []uint64
	p := &port{data: func(c *scsi.Command) { waiting = append(waiting, c) }}
	p.aborted = func(c *scsi.Command) {
		stopped = append(stopped, c.Tag)
		if c.Tag == 3 {
			c.DataReceived(errors.New("stopped"))
		}
	}
	b.login("a", p)
	p.send(1, write1...)
	p.ask(scsi.Request{Tag: 2, Attr: scsi.Ordered}, read1...) // waits for the write
	p.respond = func(c *scsi.Command) {
		if c.Tag == 2 {
			waiting[0].DataReceived(nil)
			p.send(3, write1...)
		}
	}
	p.manage(scsi.AbortTaskSet, 0)
	require.Equal(t, []uint64{1}, stopped)
	require.Equal(t, []string{"ABORT TASK SET: FUNCTION COMPLETE"}, p.takeAnswers())
	require.Equal(t, []string{"2 silently", "1 silently"}, p.take())
	waiting[len(waiting)-1].DataReceived(nil)
	require.Equal(t, []string{"3 GOOD"}, p.take())
	b.close()
}

// TestAbortDuringRequestData: the transport is told to stop when RequestData has returned,
// not in the middle of it.
func TestAbortDuringRequestData(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	var p *port
	inside := false
	p = &port{}
	p.data = func(c *scsi.Command) {
		inside = true
		p.manage(scsi.AbortTask, c.Tag)
		p.manage(scsi.AbortTaskSet, 0)
		inside = false
	}
	stopped := 0
	p.aborted = func(c *scsi.Command) {
		require.False(t, inside, "Abort of a command for which data is being asked")
		stopped++
		p.manage(scsi.ClearTaskSet, 0)
		c.DataReceived(errors.New("stopped"))
	}
	b.login("a", p)
	p.send(1, write1...)
	require.Equal(t, 1, stopped)
	require.Equal(t, []string{"1 silently"}, p.take())
	require.ElementsMatch(t, []string{"ABORT TASK: FUNCTION COMPLETE", "ABORT TASK SET: FUNCTION COMPLETE", "CLEAR TASK SET: FUNCTION COMPLETE"}, p.takeAnswers())

	// Data that comes while the transport stops waiting for it ends the command all the same.
	p.data = func(c *scsi.Command) {}
	p.aborted = func(c *scsi.Command) { c.DataReceived(nil) }
	p.send(2, write1...)
	p.manage(scsi.AbortTask, 2)
	require.Equal(t, []string{"2 silently"}, p.take())
	b.close()
}

// TestQueueSlot: an initiator that has the response may send the next command at once, on
// another goroutine, while Respond has not returned.
func TestQueueSlot(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, &engine.DeviceOptions{QueueDepth: 1})
	var p *port
	p = &port{respond: func(c *scsi.Command) {
		if c.Tag < 50 {
			p.send(c.Tag+1, read1...)
		}
	}}
	b.login("a", p)
	p.send(1, read1...)
	for _, r := range p.take() {
		require.True(t, strings.HasSuffix(r, " GOOD in=512"), r)
	}
	b.close()
}

// TestReplaceIsOneStep: a command that is submitted while a logical unit is being replaced
// goes to the old device or to the new one.
func TestReplaceIsOneStep(t *testing.T) {
	old, h := &hooks{desc: scsi.Description{NonBlocking: true}}, &hooks{desc: scsi.Description{NonBlocking: true}}
	b := newBench(t, old, nil, nil)
	dev, err := b.e.AddDevice("new", h, nil)
	require.NoError(t, err)
	p := b.login("a", nil)
	h.attach = func(*scsi.Nexus) error { p.send(1, read1...); return nil }
	require.NoError(t, b.tgt.Group("").Replace(t.Context(), 0, dev, nil))
	require.Equal(t, []string{"1 GOOD in=512"}, p.take())

	// The same for a session that moves to another group.
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(0, b.dev, nil))
	old.attach = func(*scsi.Nexus) error { p.send(3, read1...); return nil }
	p.send(2, read1...) // inquiry data has changed
	p.take()
	require.NoError(t, g.AddInitiator("a"))
	require.Equal(t, []string{"3 GOOD in=512"}, p.take())
	b.close()
}

// soon waits until done is closed, or for a moment if something holds it up.
func soon(done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(20 * time.Millisecond):
	}
}

// closes fails the test if the engine does not end.
func closes(t *testing.T, e *engine.Engine) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- e.Close() }()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the engine does not end")
	}
}

// locked maps a device in a group that has a member, and calls f while the group is locked
// by that.
func (b *bench) locked(g *engine.Group, f func()) {
	b.t.Helper()
	var once sync.Once
	h := &hooks{desc: scsi.Description{NonBlocking: true}, attach: func(*scsi.Nexus) error { once.Do(f); return nil }}
	dev, err := b.e.AddDevice("lock", h, nil)
	require.NoError(b.t, err)
	require.NoError(b.t, g.Map(100, dev, nil))
}

// TestCloseDuringMove: a session that ends while it moves to another group leaves nothing
// there.
func TestCloseDuringMove(t *testing.T) {
	leak.Goroutines(t)
	b := newBench(t, &hooks{}, nil, nil)
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(0, b.dev, nil))
	require.NoError(t, g.Map(1, b.dev, nil))
	require.NoError(t, g.AddInitiator("member"))
	p, _ := b.login("a", nil), b.login("member", nil)
	moved := make(chan struct{})
	b.locked(g, func() {
		go func() {
			_ = g.AddInitiator("a")
			close(moved)
		}()
		soon(moved)
		p.s.Close(nil)
		soon(p.s.Done())
	})
	<-moved
	<-p.s.Done()
	require.Len(t, b.tgt.Sessions(), 1)
	require.Equal(t, 2, b.dev.Stats().Nexuses, "of the other session")
	closes(t, b.e)
}

// TestUnmapDuringMove: who takes a logical unit away while a session moves to another group
// waits for the session's commands, too.
func TestUnmapDuringMove(t *testing.T) {
	for name, unmap := range map[string]func(g *engine.Group, d *engine.Device) error{
		"Unmap":   func(g *engine.Group, _ *engine.Device) error { return g.Unmap(context.Background(), 0) },
		"Replace": func(g *engine.Group, d *engine.Device) error { return g.Replace(context.Background(), 0, d, nil) },
		"Remove":  func(g *engine.Group, _ *engine.Device) error { return g.Remove(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			leak.Goroutines(t)
			h := &hooks{desc: scsi.Description{NonBlocking: true}}
			b := newBench(t, h, nil, nil)
			from, to := b.tgt.Group("from"), b.tgt.Group("to")
			require.NoError(t, from.Map(0, b.dev, nil))
			require.NoError(t, from.AddInitiator("a"))
			p := b.login("a", nil)
			var pending scsi.Pending
			h.exec = func(c *scsi.Command) error { pending = c.Defer(); return nil }
			p.send(1, read1...)
			other, err := b.e.AddDevice("other", &hooks{}, nil)
			require.NoError(t, err)
			returned := make(chan struct{})
			var failed error
			b.locked(to, func() {
				go func() {
					defer close(returned)
					failed = unmap(from, other)
				}()
				soon(returned)
			})
			require.NoError(t, to.AddInitiator("a")) // which the older group still claims
			require.NoError(t, from.RemoveInitiator("a"))
			require.Equal(t, "to", p.s.Info().Group)
			select {
			case <-returned:
				require.Fail(t, "a command is running")
			default:
			}
			pending.Done(nil)
			<-returned
			require.NoError(t, failed)
			b.close()
		})
	}
}

// TestMovesBothWays: sessions that move between two groups in both directions at once do not
// lock each other out.
func TestMovesBothWays(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(0, b.dev, &engine.LUNOptions{ReadOnly: true}))
	var moves sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		b.login(name, nil)
		moves.Go(func() {
			for range 500 {
				_ = g.AddInitiator(name)
				_ = g.RemoveInitiator(name)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		moves.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a move does not end")
	}
	b.close()
}

// TestCloseDuringLogin: a target that is disabled while an initiator logs in ends that
// session too, after its opening.
func TestCloseDuringLogin(t *testing.T) {
	leak.Goroutines(t)
	var events []string
	var mu sync.Mutex
	note := func(s string) {
		mu.Lock()
		events = append(events, s)
		mu.Unlock()
	}
	b := newBench(t, &hooks{}, &engine.Options{Events: engine.Events{
		SessionOpened: func(i engine.SessionInfo) { note(i.Initiator + " opened") },
		SessionClosed: func(i engine.SessionInfo, err error) { note(i.Initiator + " " + err.Error()) },
	}}, nil)
	b.login("member", nil)
	disabled, in := make(chan struct{}), make(chan struct{})
	var p *port
	b.locked(b.tgt.Group(""), func() {
		go func() {
			p = b.login("a", nil)
			close(in)
		}()
		soon(in)
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = b.tgt.Disable(ctx)
			close(disabled)
		}()
		soon(disabled)
	})
	<-disabled
	<-in
	<-p.s.Done()
	require.ErrorIs(t, <-p.closed, engine.ErrTargetDisabled)
	require.Zero(t, b.dev.Stats().Nexuses)
	closes(t, b.e)
	require.Equal(t, []string{"a opened", "a engine: target disabled"}, sorted(events, "a opened", "a engine"))
}

// TestRegroupDuringLogin: an initiator that logs in while its group changes gets the
// group that it belongs to then.
func TestRegroupDuringLogin(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	b.login("member", nil)
	g := b.tgt.Group("g")
	in, moved := make(chan struct{}), make(chan struct{})
	var p *port
	b.locked(b.tgt.Group(""), func() {
		go func() {
			p = b.login("a", nil)
			close(in)
		}()
		soon(in)
		go func() {
			_ = g.AddInitiator("a")
			close(moved)
		}()
		soon(moved)
	})
	<-in
	<-moved
	require.Equal(t, "g", p.s.Info().Group)
	require.Zero(t, p.s.Info().LUNs)
	require.NoError(t, g.Map(3, b.dev, nil))
	require.Equal(t, 1, p.s.Info().LUNs)
	b.close()
}

// TestRegroupTwice: two changes at once do not make a session a member twice.
func TestRegroupTwice(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(0, b.dev, nil))
	require.NoError(t, g.AddInitiator("member"))
	p, _ := b.login("a", nil), b.login("member", nil)
	one, two := make(chan struct{}), make(chan struct{})
	b.locked(g, func() {
		go func() {
			_ = g.AddInitiator("a")
			close(one)
		}()
		soon(one)
		go func() {
			_ = g.AddInitiator("nobody")
			close(two)
		}()
		soon(two)
	})
	<-one
	<-two
	require.NoError(t, g.Map(1, b.dev, nil))
	require.Equal(t, 3, p.s.Info().LUNs)
	require.Equal(t, 4, b.dev.Stats().Nexuses, "two units for each of two sessions")
	b.close()
}

// TestCloseDuringBind: an engine that ends while a device is being added does not get it.
func TestCloseDuringBind(t *testing.T) {
	e := engine.New(nil)
	var closed atomic.Bool
	h := &binding{hooks: hooks{close: func() error { closed.Store(true); return nil }}}
	h.bind = func() error {
		_, ok := e.Device("disk")
		require.False(t, ok, "not before it is whole")
		require.Empty(t, e.Devices())
		_, err := e.AddDevice("disk", &hooks{}, nil)
		require.ErrorIs(t, err, engine.ErrExists)
		return e.Close()
	}
	_, err := e.AddDevice("disk", h, nil)
	require.ErrorIs(t, err, engine.ErrEngineClosed)
	require.Empty(t, e.Devices())
	require.False(t, closed.Load(), "the handler is the caller's after an error")
}

type binding struct {
	hooks
	bind func() error
}

func (b *binding) Bind(scsi.Host) error { return b.bind() }

// TestCloseTwiceAtOnce: two calls of Close both wait, and neither sees what is not there.
func TestCloseTwiceAtOnce(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	b.login("a", nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := b.e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestGroupsAtOnce: groups are made while others look for theirs.
func TestGroupsAtOnce(t *testing.T) {
	b := newBench(t, &hooks{}, nil, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 50 {
				b.tgt.Group(fmt.Sprint(i, k))
				if err := b.tgt.Map(uint16(1+i*50+k), b.dev, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, b.tgt.Group("").LUNs(), 201)
	b.close()
}

// TestResponseSentTwice panics at the culprit: the command may be another one by then.
func TestResponseSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
		var c *scsi.Command
		p := &port{hold: true, respond: func(x *scsi.Command) { c = x }}
		b.login("a", p)
		p.send(1, tur...)
		c.ResponseSent(nil)
		require.Panics(t, func() { c.ResponseSent(nil) })
		b.close()
	})
}
