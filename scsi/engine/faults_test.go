package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// ways are how a handler may die in one of its methods: it panics, or ends the goroutine.
var ways = map[string]func(){
	"panic":  func() { panic("a bug") },
	"Goexit": runtime.Goexit,
}

// TestDeath: whichever method of a handler dies, its command ends, its device goes offline, and
// nothing else notices.
func TestDeath(t *testing.T) {
	vendor := []byte{0xC0, 0, 0, 0, 0, 0}
	const (
		failed  = "CHECK CONDITION hardware error: internal target failure (4/44/00)"
		offline = "CHECK CONDITION hardware error: logical unit failure (4/3e/01)"
	)
	send := func(tag uint64, cdb ...byte) func(b *bench, p *port) {
		return func(_ *bench, p *port) { p.send(tag, cdb...) }
	}
	manage := func(fn scsi.TaskFunction) func(b *bench, p *port) {
		return func(_ *bench, p *port) { p.manage(fn, 0) }
	}
	visit := func(b *bench, _ *port) { b.login("b", nil).s.Close(nil) }
	type steps []func(b *bench, p *port)
	tests := []struct {
		name string
		arm  func(h *hooks, die func())
		do   steps
		want []string // results at LUN 0
	}{
		{"Exec", func(h *hooks, die func()) { h.exec = func(*scsi.Command) error { die(); return nil } },
			steps{send(1, read1...)}, []string{"1 " + failed}},
		{"Exec after Done", func(h *hooks, die func()) {
			h.exec = func(c *scsi.Command) error { c.Defer().Done(nil); die(); return nil }
		}, steps{send(1, read1...)}, []string{"1 " + failed}},
		{"Parse", func(h *hooks, die func()) { h.parse = func(*scsi.Command, *scsi.Parsed) error { die(); return nil } },
			steps{send(1, vendor...), send(2, vendor...)}, []string{"1 " + failed, "2 " + offline}},
		{"Buffer", func(h *hooks, die func()) {
			h.buffer = func(*scsi.Command, int) (*sgv.Buf, error) { die(); return nil, nil }
		}, steps{send(1, read1...), send(2, read1...)}, []string{"1 " + failed, "2 " + offline}},
		{"Finish", func(h *hooks, die func()) { h.finish = func(*scsi.Command, scsi.Outcome) { die() } },
			steps{send(1, read1...)}, []string{"1 GOOD in=512"}},
		{"TaskReceived", func(h *hooks, die func()) { h.receive = die },
			steps{manage(scsi.AbortTaskSet)}, nil},
		{"Reset", func(h *hooks, die func()) { h.reset = die },
			steps{manage(scsi.LogicalUnitReset), send(1, tur...)},
			[]string{"1 CHECK CONDITION unit attention: bus device reset function occurred (6/29/03)"}},
		{"Attach", func(h *hooks, die func()) { h.attach = func(*scsi.Nexus) error { die(); return nil } }, steps{visit}, nil},
		{"Detach", func(h *hooks, die func()) { h.detach = func(*scsi.Nexus) { die() } }, steps{visit}, nil},
	}
	for way, die := range ways {
		for _, tt := range tests {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var faults []string
					h := &hooks{desc: scsi.Description{NonBlocking: true, Parse: scsi.ParseUnknown}}
					b := newBench(t, h, &engine.Options{Events: engine.Events{
						DeviceFaulted: func(d string, v any, stack []byte) { faults = append(faults, fmt.Sprintf("%s: %v", d, v)) },
					}}, nil)
					other := &hooks{desc: scsi.Description{NonBlocking: true}}
					dev, err := b.e.AddDevice("other", other, nil)
					require.NoError(t, err)
					require.NoError(t, b.tgt.Map(1, dev, nil))
					p := b.login("a", nil)
					one := scsi.MakeLUN(1, scsi.LUNPeripheral)
					p.ask(scsi.Request{LUN: one}, tur...)
					p.take()
					tt.arm(h, die)
					for _, step := range tt.do {
						go step(b, p)
						synctest.Wait()
					}
					require.Equal(t, tt.want, p.take())
					require.True(t, b.dev.Offline())
					require.True(t, b.dev.Stats().Offline)
					require.Equal(t, []string{"disk: " + map[string]string{
						"panic": "a bug", "Goexit": "engine: the handler has called runtime.Goexit",
					}[way]}, faults, "told once")
					h.take()
					p.send(8, read1...)
					p.manage(scsi.AbortTaskSet, 0)
					p.manage(scsi.LogicalUnitReset, 0)
					synctest.Wait()
					require.Equal(t, []string{"8 " + offline}, p.take())
					require.Empty(t, h.take(), "nothing of the handler is called any more")
					p.ask(scsi.Request{Tag: 9, LUN: one}, read1...)
					require.Equal(t, []string{"9 GOOD in=512"}, p.take(), "the other unit goes on")
					b.close()
					require.Equal(t, []string{"close"}, sorted(h.take(), "close"))
				})
			})
		}
	}
}

// TestPanicAfterDefer: a command whose handler panics with a Pending in its hands ends at
// once, but its memory is used for nothing else until the Pending is done.
func TestPanicAfterDefer(t *testing.T) {
	for _, when := range []string{"before the response has left", "after it"} {
		t.Run(when, func(t *testing.T) {
			h := &hooks{desc: scsi.Description{NonBlocking: true}}
			b := newBench(t, h, nil, nil)
			var held *scsi.Command
			p := b.login("a", nil)
			var pending scsi.Pending
			h.exec = func(c *scsi.Command) error {
				pending = c.Defer()
				panic("a bug")
			}
			if when == "before the response has left" {
				p.hold = true
				p.respond = func(c *scsi.Command) { held = c }
			}
			p.send(1, read1...)
			require.Equal(t, []string{"1 CHECK CONDITION hardware error: internal target failure (4/44/00)"}, p.take())
			require.Equal(t, uint64(1), b.e.Stats().Pool.Outstanding)
			if held != nil {
				pending.Done(nil)
				require.Equal(t, uint64(1), b.e.Stats().Pool.Outstanding, "the transport has it")
				held.ResponseSent(nil)
			} else {
				pending.Done(nil)
			}
			require.Panics(t, func() { pending.Done(nil) })
			b.close()
		})
	}
}

// TestDeathWhileOthersWait: commands that wait for a worker are not given to a handler
// that has died, but they end, and so does the device.
func TestDeathWhileOthersWait(t *testing.T) {
	for way, die := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hooks{}
				gate := make(chan bool)
				b := newBench(t, h, nil, &engine.DeviceOptions{Workers: 1})
				p := b.login("a", nil)
				synctest.Wait()
				h.take()
				h.exec = func(c *scsi.Command) error {
					<-gate
					die()
					return nil
				}
				for tag := range uint64(3) {
					p.send(tag, read1...)
				}
				synctest.Wait()
				require.Equal(t, 2, b.dev.Stats().Waiting)
				close(gate)
				synctest.Wait()
				require.Equal(t, []string{"exec 0"}, h.take())
				require.Equal(t, []string{
					"0 CHECK CONDITION hardware error: internal target failure (4/44/00)",
					"1 CHECK CONDITION hardware error: logical unit failure (4/3e/01)",
					"2 CHECK CONDITION hardware error: logical unit failure (4/3e/01)",
				}, p.take())
				b.close()
			})
		})
	}
}

// TestLend: memory that a handler lends takes the place of the buffer if it fits, and is
// given back when the response has left.
func TestLend(t *testing.T) {
	for name, late := range map[string]bool{"instead": false, "late": true} {
		t.Run(name, func(t *testing.T) { testLend(t, late) })
	}
}

func testLend(t *testing.T, late bool) {
	h := &hooks{desc: scsi.Description{NonBlocking: true, LateData: late}}
	b := newBench(t, h, nil, nil)
	var held *scsi.Command
	p := b.login("a", &port{hold: true, respond: func(c *scsi.Command) { held = c }})
	given := 0
	lend := func(n int) func(c *scsi.Command) error {
		return func(c *scsi.Command) error {
			return c.Lend([][]byte{make([]byte, n-100), make([]byte, 100)}, func() { given++ })
		}
	}
	for _, tt := range []struct {
		n    int
		cdb  []byte
		want string
		gave int
	}{
		{512, read1, "1 GOOD in=512", 1},
		{513, read1, "1 CHECK CONDITION hardware error: internal target failure (4/44/00)", 0},
		{511, read1, "1 CHECK CONDITION hardware error: internal target failure (4/44/00)", 0},
		{512, write1, "1 CHECK CONDITION hardware error: internal target failure (4/44/00)", 0},
		{100, tur, "1 CHECK CONDITION hardware error: internal target failure (4/44/00)", 0},
	} {
		given = 0
		h.exec = lend(tt.n)
		p.send(1, tt.cdb...)
		require.Equal(t, []string{tt.want}, p.take())
		require.Zero(t, given)
		require.GreaterOrEqual(t, b.e.MemoryLimit().Used(), int64(tt.gave*512), "what is lent counts until the response has left")
		held.ResponseSent(errors.New("lost"))
		require.Equal(t, tt.gave, given)
		require.Zero(t, b.e.MemoryLimit().Used())
	}
	// An initiator that takes no data lends no buffer.
	h.exec = lend(100)
	p.ask(scsi.Request{Tag: 1, ExpectedSet: true}, read1...)
	require.Equal(t, []string{"1 CHECK CONDITION hardware error: internal target failure (4/44/00)"}, p.take())
	held.ResponseSent(nil)
	b.close()
}
