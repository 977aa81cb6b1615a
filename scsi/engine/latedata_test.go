package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// late is a handler of what comes without Data.
func late(exec func(c *scsi.Command) error) *hooks {
	return &hooks{desc: scsi.Description{NonBlocking: true, LateData: true}, exec: exec}
}

const failure = "1 CHECK CONDITION hardware error: internal target failure (4/44/00) residual=512"

// TestLateData: a command that reads blocks gets its buffer when the handler asks for it,
// any other before.
func TestLateData(t *testing.T) {
	var b *bench
	h := late(func(c *scsi.Command) error { return nil })
	b = newBench(t, h, nil, nil)
	p := b.login("a", nil)
	gets := func() uint64 {
		s := b.e.Stats().Pool
		return s.Hits + s.Misses
	}
	before := gets()

	h.exec = func(c *scsi.Command) error {
		require.Nil(t, c.Data())
		require.Equal(t, 512, c.Room())
		require.Zero(t, b.e.MemoryLimit().Used())
		return c.Lend([][]byte{make([]byte, 512)}, func() {})
	}
	p.send(1, read1...)
	require.Equal(t, []string{"1 GOOD in=512"}, p.take())
	require.Equal(t, before, gets(), "no buffer of the pool was used")

	h.exec = func(c *scsi.Command) error {
		for range 2 {
			require.NoError(t, c.NeedData())
			require.Equal(t, 512, c.Data().Len())
			require.Equal(t, 512, c.Room())
		}
		return nil
	}
	p.send(1, read1...)
	require.Equal(t, []string{"1 GOOD in=512"}, p.take())
	require.Equal(t, before+1, gets())
	p.ask(scsi.Request{Tag: 1, ExpectedSet: true, ExpectedIn: 100}, read1...)
	require.Equal(t, []string{"1 GOOD in=100 residual=-412"}, p.take(), "as ever: room for the whole block")

	// What does not read blocks is as without LateData.
	h.exec = func(c *scsi.Command) error {
		require.Equal(t, c.Room(), c.Data().Len())
		require.NoError(t, c.NeedData())
		if c.Op().Op == scsi.OpInquiry {
			return c.Reply(make([]byte, 36))
		}
		return nil
	}
	p.send(1, write1...)
	p.send(2, inquiry...)
	require.Equal(t, []string{"1 GOOD", "2 GOOD in=36"}, p.take())

	// An initiator that takes nothing gives no room.
	h.exec = func(c *scsi.Command) error {
		require.Zero(t, c.Room())
		require.NoError(t, c.NeedData())
		require.Nil(t, c.Data())
		return nil
	}
	p.ask(scsi.Request{Tag: 1, ExpectedSet: true}, read1...)
	require.Equal(t, []string{"1 GOOD residual=-512"}, p.take())
	b.close()
}

// TestLateDataMissing: a handler that says GOOD, and has put the data nowhere, has failed.
func TestLateDataMissing(t *testing.T) {
	h := late(nil)
	b := newBench(t, h, nil, nil)
	p := b.login("a", nil)
	for _, tt := range []struct {
		exec func(c *scsi.Command) error
		want string
	}{
		{func(c *scsi.Command) error { return nil }, failure},
		{func(c *scsi.Command) error { return scsi.StatusError(scsi.StatusConditionMet) }, failure},
		{func(c *scsi.Command) error { c.SetDataIn(10); return nil }, failure},
		{func(c *scsi.Command) error { c.SetDataIn(0); return nil }, "1 GOOD residual=512"},
		{func(c *scsi.Command) error { return c.Reply(make([]byte, 10)) }, "1 GOOD in=10 residual=502"},
		{func(c *scsi.Command) error { return scsi.ErrBusy }, "1 BUSY residual=512"},
	} {
		h.exec = tt.exec
		p.ask(scsi.Request{Tag: 1, ExpectedSet: true, ExpectedIn: 512}, read1...)
		require.Equal(t, []string{tt.want}, p.take())
	}
	b.close()
}

// TestLateDataMemory: memory that is lent, or asked for late, counts as any other, and what
// cannot be had ends the command as if it had not been had before.
func TestLateDataMemory(t *testing.T) {
	pool := sgv.NewPool(nil)
	one := pool.Cost(4096)
	for name, lend := range map[string]bool{"lend": true, "need": false} {
		t.Run(name, func(t *testing.T) {
			var pending []scsi.Pending
			given := 0
			h := late(nil)
			h.exec = func(c *scsi.Command) error {
				if c.Op().Op == scsi.OpTestUnitReady {
					return nil
				}
				if lend {
					if err := c.Lend([][]byte{make([]byte, c.Room())}, func() { given++ }); err == nil {
						pending = append(pending, c.Defer())
						return nil
					}
				}
				if err := c.NeedData(); err != nil {
					return err
				}
				pending = append(pending, c.Defer())
				return nil
			}
			b := newBench(t, h, &engine.Options{Pool: pool, MemoryLimit: 12 * one}, nil)
			read := []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0}
			greedy := func(p *port) {
				for p.take() == nil {
					p.send(1, read...)
				}
			}
			a := b.login("a", nil)
			greedy(a)
			require.Len(t, pending, 6, "half of all")
			a.send(1, read...)
			require.Equal(t, []string{"1 TASK SET FULL"}, a.take())
			c := b.login("b", nil)
			greedy(c)
			require.Len(t, pending, 9, "half of the rest")
			require.Equal(t, 9*one, b.e.MemoryLimit().Used())
			var hog []*sgv.Buf
			for range 3 {
				buf, err := pool.Get(int(one), b.e.MemoryLimit())
				require.NoError(t, err)
				hog = append(hog, buf)
			}
			d := b.login("c", nil)
			d.send(1, read...)
			require.Equal(t, []string{"1 BUSY"}, d.take(), "no command of its own to wait for")
			d.send(1, 0x28, 0, 0, 0, 0, 0, 0, 1, 0, 0)
			require.Equal(t, []string{"1 CHECK CONDITION illegal request: insufficient resources (5/55/03)"}, d.take(), "never")
			for _, buf := range hog {
				buf.Release()
			}
			for _, p := range pending {
				p.Done(nil)
			}
			if lend {
				require.Equal(t, len(pending), given)
			}
			require.Zero(t, b.e.MemoryLimit().Used())
			require.NoError(t, b.e.Close())
		})
	}
}

// TestLateDataAborted: the buffer may be asked for when the command has been aborted
// already, and goes when it ends.
func TestLateDataAborted(t *testing.T) {
	var held *scsi.Command
	var pending scsi.Pending
	h := late(func(c *scsi.Command) error {
		if c.Op().Op == scsi.OpTestUnitReady {
			return nil
		}
		held, pending = c, c.Defer()
		return nil
	})
	b := newBench(t, h, nil, nil)
	p := b.login("a", nil)
	for _, lend := range []bool{false, true} {
		p.send(1, read1...)
		p.manage(scsi.AbortTask, 1)
		require.Empty(t, p.takeAnswers(), "it runs still")
		require.True(t, held.Aborted())
		given := 0
		if lend {
			require.NoError(t, held.Lend([][]byte{make([]byte, 512)}, func() { given++ }))
		} else {
			require.NoError(t, held.NeedData())
		}
		require.NotZero(t, b.e.MemoryLimit().Used())
		pending.Done(nil)
		require.Equal(t, []string{"1 silently"}, p.take())
		require.Equal(t, []string{"ABORT TASK: FUNCTION COMPLETE"}, p.takeAnswers())
		require.Zero(t, b.e.MemoryLimit().Used())
		require.Equal(t, lend, given == 1)
	}
	b.close()
}

// TestLateDataProvider: buffers of the transport and of the handler come late too, in the
// same order of preference, and from a worker as well.
func TestLateDataProvider(t *testing.T) {
	for name, inline := range map[string]bool{"inline": true, "worker": false} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 4)
			running := false
			h := late(nil)
			h.desc.NonBlocking = inline
			pool := sgv.NewPool(nil)
			h.exec = func(c *scsi.Command) error {
				if c.Op().Op == scsi.OpTestUnitReady {
					return nil
				}
				running = true
				defer func() { running = false }()
				return c.NeedData()
			}
			buffer := func(who string, err error) func(c *scsi.Command, n int) (*sgv.Buf, error) {
				return func(c *scsi.Command, n int) (*sgv.Buf, error) {
					require.True(t, running)
					asked <- who
					if err != nil {
						return nil, err
					}
					return pool.Get(n, nil)
				}
			}
			b := newBench(t, h, nil, nil)
			done := make(chan bool, 1)
			ep := &provider{waker: waker{done}}
			s, err := b.tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, ep)
			require.NoError(t, err)
			send := func() {
				c := s.NewCommand()
				c.SetCDB(read1)
				s.Submit(c)
				<-done
			}
			send() // power on
			ep.buffer, h.buffer = buffer("transport", nil), buffer("handler", nil)
			send()
			require.Equal(t, scsi.StatusGood, ep.status)
			require.Equal(t, "transport", <-asked)
			ep.buffer = nil
			send()
			require.Equal(t, "handler", <-asked)
			require.Equal(t, scsi.StatusGood, ep.status)
			ep.buffer = buffer("transport", scsi.ErrBusy)
			send()
			require.Equal(t, "transport", <-asked)
			require.Equal(t, scsi.StatusBusy, ep.status)
			b.close()
			require.NoError(t, pool.Close())
		})
	}
}

// provider is a waker with buffers of its own.
type provider struct {
	waker
	status scsi.Status
	buffer func(c *scsi.Command, n int) (*sgv.Buf, error)
}

func (p *provider) Respond(c *scsi.Command) {
	p.status = c.Status()
	p.waker.Respond(c)
}

func (p *provider) Buffer(c *scsi.Command, n int) (*sgv.Buf, error) {
	if p.buffer == nil {
		return (&port{}).Buffer(c, n)
	}
	return p.buffer(c, n)
}
