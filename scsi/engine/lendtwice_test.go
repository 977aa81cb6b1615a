package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// tryHooks is hooks with TryExec.
type tryHooks struct {
	hooks
	try func(c *scsi.Command) error
}

func (h *tryHooks) TryExec(c *scsi.Command) error { return h.try(c) }

// TestLentTwice: what the transport is told of data-in is true of the memory that was lent
// last; what was lent before is given back then, and what is refused changes nothing.
func TestLentTwice(t *testing.T) {
	l := newLending(t)
	lent := 0
	lend := func(c *scsi.Command, mapped bool, n int) error {
		f := c.Lend
		if mapped {
			f = c.LendMapped
		}
		err := f([][]byte{make([]byte, n)}, func() { l.given++ })
		if err == nil {
			lent++
		}
		return err
	}
	limit := l.e.MemoryLimit()
	one := int64(512)
	for _, tt := range []struct {
		name   string
		exec   func(c *scsi.Command)
		mapped bool
		used   int64
	}{
		{"mapped, mapped refused", func(c *scsi.Command) {
			require.NoError(t, lend(c, true, 512))
			require.Error(t, lend(c, true, 511))
		}, true, one},
		{"mapped, lent refused", func(c *scsi.Command) {
			require.NoError(t, lend(c, true, 512))
			require.Error(t, lend(c, false, 511))
		}, true, one},
		{"lent, mapped refused", func(c *scsi.Command) {
			require.NoError(t, lend(c, false, 512))
			require.Error(t, lend(c, true, 511))
		}, false, one},
		{"mapped, lent", func(c *scsi.Command) {
			require.NoError(t, lend(c, true, 512))
			require.NoError(t, lend(c, false, 512))
		}, false, one},
		{"lent, mapped", func(c *scsi.Command) {
			require.NoError(t, lend(c, false, 512))
			require.NoError(t, lend(c, true, 512))
		}, true, one},
		{"mapped, a buffer", func(c *scsi.Command) {
			require.NoError(t, lend(c, true, 512))
			require.NoError(t, c.NeedData())
			require.NoError(t, c.NeedData(), "it is there")
			_, err := c.Data().WriteAt(make([]byte, 512), 0)
			require.NoError(t, err)
		}, false, sgv.NewPool(nil).Cost(512)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l.given, lent = 0, 0
			l.h.exec = func(c *scsi.Command) error {
				if c.Op().Op == scsi.OpRead10 {
					tt.exec(c)
				}
				return nil
			}
			l.read(1, scsi.Simple)
			require.Equal(t, []string{"1 GOOD in=512"}, l.p.take())
			require.Equal(t, tt.mapped, l.held[1].DataMapped())
			require.Equal(t, tt.used, limit.Used(), "of what is given back nothing is charged")
			l.p.ask(scsi.Request{Tag: 2, Attr: scsi.Ordered}, write1...)
			ended := l.p.take() != nil
			require.Equal(t, !tt.mapped, ended, "the mapped one holds its place")
			l.held[1].ResponseSent(nil)
			if !ended {
				require.Equal(t, []string{"2 GOOD"}, l.p.take())
			}
			l.held[2].ResponseSent(nil)
			require.Equal(t, lent, l.given)
			require.Zero(t, limit.Used())
		})
	}
	l.close()
}

// TestTryLendsAndBlocks: Exec gets a buffer that it may fill, whatever TryExec has lent.
func TestTryLendsAndBlocks(t *testing.T) {
	for name, late := range map[string]bool{"late": true, "at once": false} {
		t.Run(name, func(t *testing.T) {
			given := 0
			h := &tryHooks{hooks: hooks{desc: scsi.Description{LateData: late}}}
			mapped := true
			h.try = func(c *scsi.Command) error {
				if c.Op().Op != scsi.OpRead10 {
					return nil
				}
				lend := c.Lend
				if mapped {
					lend = c.LendMapped
				}
				require.NoError(t, lend([][]byte{make([]byte, 512)}, func() { given++ }))
				return scsi.ErrWouldBlock
			}
			h.exec = func(c *scsi.Command) error {
				require.Equal(t, late, c.Data() == nil)
				require.Equal(t, 512, c.Room())
				require.False(t, c.DataMapped())
				require.Equal(t, 1, given)
				require.NoError(t, c.NeedData())
				_, err := c.Data().WriteAt(make([]byte, 512), 0)
				return err
			}
			b := newBench(t, h, nil, nil)
			ended := make(chan string, 1)
			p := b.login("a", &port{respond: func(c *scsi.Command) { ended <- describe(c) }})
			for _, mapped = range []bool{true, false} {
				given = 0
				p.ask(scsi.Request{Tag: 1, RawIn: true}, read1...)
				require.Equal(t, "1 GOOD in=512", <-ended)
			}
			b.close()
		})
	}
}

// TestTryLendsAndBlocksWithoutMemory: if there is none left for the buffer, the initiator is
// told to try again.
func TestTryLendsAndBlocksWithoutMemory(t *testing.T) {
	given := 0
	h := &tryHooks{}
	b := newBench(t, h, nil, nil)
	limit := b.e.MemoryLimit()
	hog := int64(0)
	h.try = func(c *scsi.Command) error {
		if c.Op().Op != scsi.OpRead10 {
			return nil
		}
		require.NoError(t, c.Lend([][]byte{make([]byte, 512)}, func() { given++ }))
		hog = limit.Max() - limit.Used()
		require.NoError(t, limit.Acquire(hog))
		return scsi.ErrWouldBlock
	}
	p := b.login("a", nil)
	p.send(1, read1...)
	require.Equal(t, []string{"1 BUSY"}, p.take())
	require.Equal(t, 1, given)
	limit.Release(hog)
	b.close()
}

// TestMappedReadEntered: a command may lend mapped memory if it is SIMPLE in its task set,
// whatever the control mode page has said since it came.
func TestMappedReadEntered(t *testing.T) {
	for _, alg := range []uint8{0, 1} {
		h := &controlled{hooks: hooks{desc: scsi.Description{NonBlocking: true}}}
		var got error
		given := 0
		h.exec = func(c *scsi.Command) error {
			if c.Op().Op == scsi.OpRead10 {
				h.host.SetControl(scsi.Control{QueueAlg: 1 - alg})
				got = c.LendMapped([][]byte{make([]byte, 512)}, func() { given++ })
			}
			return nil
		}
		b := newBench(t, h, nil, nil)
		p := b.login("a", nil)
		h.host.SetControl(scsi.Control{QueueAlg: alg})
		p.ask(scsi.Request{Tag: 1, RawIn: true}, read1...)
		require.Equal(t, []string{"1 GOOD in=512"}, p.take())
		require.Equal(t, alg == 1, got == nil)
		require.Equal(t, int(alg), given)
		b.close()
	}
}

// controlled is hooks that know their host.
type controlled struct {
	hooks
	host scsi.Host
}

func (h *controlled) Bind(host scsi.Host) error { h.host = host; return nil }
