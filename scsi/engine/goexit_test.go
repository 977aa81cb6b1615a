package engine_test

import (
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// What follows is for a handler that ends the goroutine which calls it: others whose turn comes
// on that goroutine end nevertheless, and so does everything that waits for them.

const (
	died = "CHECK CONDITION hardware error: internal target failure (4/44/00)"
	dead = "CHECK CONDITION hardware error: logical unit failure (4/3e/01)"
)

// dying returns a handler whose Exec defers command 1 and dies with all others, once armed.
func dying(pending *scsi.Pending) func(c *scsi.Command) error {
	return func(c *scsi.Command) error {
		if c.Tag == 1 {
			*pending = c.Defer()
			return nil
		}
		runtime.Goexit()
		return nil
	}
}

// TestGoexitInOrder: tasks that come after one that ends the goroutine go on.
func TestGoexitInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		var pending scsi.Pending
		h.exec = dying(&pending)
		for tag := range uint64(4) {
			p.ask(scsi.Request{Tag: tag + 1, Attr: scsi.Ordered}, read1...)
		}
		go pending.Done(nil)
		synctest.Wait()
		require.Equal(t, []string{"1 GOOD in=512", "2 " + died, "3 " + dead, "4 " + dead}, p.take())
		p.ask(scsi.Request{Tag: 5, Attr: scsi.Ordered}, read1...)
		require.Equal(t, []string{"5 " + dead}, p.take())
		b.close()
	})
}

// TestGoexitOfParked: commands that waited for the end of a Block go on, and who ends it too.
func TestGoexitOfParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		unblock, err := b.dev.Block(t.Context())
		require.NoError(t, err)
		h.exec = func(*scsi.Command) error { runtime.Goexit(); return nil }
		for tag := range uint64(3) {
			p.send(tag, read1...)
		}
		require.Empty(t, p.take())
		unblock()
		require.Equal(t, []string{"0 " + died, "1 " + dead, "2 " + dead}, p.take())
		b.close()
	})
}

// TestGoexitDuringAbort: aborted tasks make room for one that ends the goroutine, which the
// function and the other aborted tasks survive.
func TestGoexitDuringAbort(t *testing.T) {
	for name, first := range map[string][]byte{"tasks that wait for data": write1, "tasks that wait for others": read1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hooks{desc: scsi.Description{NonBlocking: true}}
				b := newBench(t, h, nil, nil)
				p, q := b.login("a", nil), b.login("b", nil)
				var pending scsi.Pending
				h.exec = dying(&pending)
				p.data = func(*scsi.Command) {} // it never comes
				q.send(1, read1...)
				p.ask(scsi.Request{Tag: 3, Attr: scsi.Ordered}, first...)
				q.send(2, read1...)
				p.ask(scsi.Request{Tag: 4, Attr: scsi.Ordered}, first...)
				p.manage(scsi.AbortTaskSet, 0)
				require.ElementsMatch(t, []string{"3 silently", "4 silently"}, p.take())
				require.Equal(t, []string{"ABORT TASK SET: FUNCTION COMPLETE"}, p.takeAnswers())
				require.Equal(t, []string{"2 " + died}, q.take())
				pending.Done(nil)
				b.close()
			})
		})
	}
}

// TestGoexitAfterACA: who ends an ACA condition outlives what has waited for that.
func TestGoexitAfterACA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		var pending scsi.Pending
		h.exec = dying(&pending)
		naca := append([]byte(nil), read1...)
		naca[9] = 4
		p.send(1, naca...)
		p.ask(scsi.Request{Tag: 2, Attr: scsi.Ordered}, read1...)
		pending.Done(scsi.MediumReadError)
		p.take()
		p.manage(scsi.ClearACA, 0)
		require.Equal(t, []string{"2 " + died}, p.take())
		require.Equal(t, []string{"CLEAR ACA: FUNCTION COMPLETE"}, p.takeAnswers())
		b.close()
	})
}

// TestGoexitInBatch: responses that have left together are all noted, although Finish ends the
// goroutine for the first one.
func TestGoexitInBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		var held []*scsi.Command
		p := b.login("a", &port{hold: true, respond: func(c *scsi.Command) { held = append(held, c) }})
		for tag := range uint64(3) {
			p.send(tag, read1...)
		}
		h.finish = func(*scsi.Command, scsi.Outcome) { runtime.Goexit() }
		go p.s.ResponsesSent(held, nil)
		synctest.Wait()
		require.Zero(t, b.tgt.Sessions()[0].Live)
		b.close()
	})
}

// TestGoexitOfFinish: functions that wait for a command are answered, and tasks that wait for it
// go on, although Finish of that command ends the goroutine, and so does the first answer.
func TestGoexitOfFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		var pending scsi.Pending
		h.exec = dying(&pending)
		p.send(1, read1...)
		p.ask(scsi.Request{Tag: 2, Attr: scsi.Ordered}, read1...)
		p.manage(scsi.AbortTask, 1)
		p.manage(scsi.AbortTask, 1)
		h.finish = func(*scsi.Command, scsi.Outcome) { runtime.Goexit() }
		p.done = runtime.Goexit
		go pending.Done(nil)
		synctest.Wait()
		require.Equal(t, []string{"1 silently", "2 " + dead}, p.take())
		require.Equal(t, []string{"ABORT TASK: FUNCTION COMPLETE", "ABORT TASK: FUNCTION COMPLETE"}, p.takeAnswers())
		b.close()
	})
}

// TestGoexitInEndpoint: a transport may say in any method that a response has left, whose command
// ends the goroutine then.
func TestGoexitInEndpoint(t *testing.T) {
	tests := map[string]struct {
		arm  func(p *port, die func())
		do   func(p *port)
		want []string
	}{
		"Respond": {
			func(p *port, die func()) { p.respond = func(*scsi.Command) { die() } },
			func(p *port) { p.send(1, read1...) }, []string{"1 GOOD in=512"},
		},
		"Respond for no unit": {
			func(p *port, die func()) { p.respond = func(*scsi.Command) { die() } },
			func(p *port) { p.ask(scsi.Request{Tag: 1, LUN: scsi.MakeLUN(7, scsi.LUNPeripheral)}, tur...) },
			[]string{"1 CHECK CONDITION illegal request: logical unit not supported (5/25/00)"},
		},
		"RequestData": {
			func(p *port, die func()) {
				p.data = func(c *scsi.Command) {
					defer c.DataReceived(nil)
					die()
				}
			},
			func(p *port) { p.send(1, write1...) }, []string{"1 " + dead},
		},
		"Abort": {
			func(p *port, die func()) {
				p.data = func(*scsi.Command) {}
				p.aborted = func(c *scsi.Command) {
					defer c.DataReceived(nil)
					die()
				}
			},
			func(p *port) { p.send(1, write1...); p.manage(scsi.AbortTask, 1) }, []string{"1 silently"},
		},
		"TaskDone": {
			func(p *port, die func()) { p.done = die },
			func(p *port) { p.manage(scsi.AbortTaskSet, 0) }, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hooks{desc: scsi.Description{NonBlocking: true}}
				b := newBench(t, h, nil, nil)
				var other *scsi.Command
				p := b.login("a", nil)
				q := b.login("b", &port{hold: true, respond: func(c *scsi.Command) { other = c }})
				q.send(2, read1...)
				h.finish = func(c *scsi.Command, _ scsi.Outcome) {
					if c.Tag == 2 {
						runtime.Goexit()
					}
				}
				tt.arm(p, func() { other.ResponseSent(nil) })
				go tt.do(p)
				synctest.Wait()
				require.True(t, b.dev.Offline())
				require.Equal(t, tt.want, p.take())
				b.close()
			})
		})
	}
}

// tryer has a TryExec.
type tryer struct {
	*hooks
	try func(c *scsi.Command) error
}

func (h *tryer) TryExec(c *scsi.Command) error { return h.try(c) }

// TestGoexitInTryExec: so does TryExec, and a Buffer that is asked for when it has lent memory
// and would block then.
func TestGoexitInTryExec(t *testing.T) {
	for _, name := range []string{"TryExec", "Buffer"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &tryer{hooks: &hooks{}, try: func(*scsi.Command) error { return nil }}
				b := newBench(t, h, nil, nil)
				p := b.login("a", nil)
				h.try = func(c *scsi.Command) error {
					if name == "TryExec" {
						runtime.Goexit()
					}
					h.buffer = func(*scsi.Command, int) (*sgv.Buf, error) { runtime.Goexit(); return nil, nil }
					require.NoError(t, c.Lend([][]byte{make([]byte, 512)}, func() {}))
					return scsi.ErrWouldBlock
				}
				go p.send(2, read1...)
				synctest.Wait()
				require.Equal(t, []string{"2 " + died}, p.take())
				b.close()
			})
		})
	}
}
