package local_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
)

// TestStartHoldsAQueueDepth keeps 32 commands in progress from one goroutine.
func TestStartHoldsAQueueDepth(t *testing.T) {
	const depth, total = 32, 4000
	for name, u := range map[string]*unit{
		"inline":   inline(vendor),
		"workers":  blocking(vendor),
		"deferred": inline(deferred),
	} {
		t.Run(name, func(t *testing.T) {
			i := serve(t, u)
			var begun, ended atomic.Int64
			all := make(chan struct{})
			begun.Store(depth)
			again := func(c *local.Command) {
				require.NoError(t, c.Err)
				require.Equal(t, 512, c.N)
				if begun.Add(1) <= total {
					i.Start(c, c.Value.(func(*local.Command)))
				}
				if ended.Add(1) == total {
					close(all)
				}
			}
			for range depth {
				i.Start(&local.Command{CDB: read16(1, 1), In: make([]byte, 512), Value: again}, again)
			}
			<-all
		})
	}
}

// deferred ends commands on another goroutine.
func deferred(c *scsi.Command) error {
	p := c.Defer()
	go func() { p.Done(vendor(c)) }()
	return nil
}

// TestRestartIsALoop starts a command in its done function many times: if each took
// stack, it would run out.
func TestRestartIsALoop(t *testing.T) {
	i := serve(t, inline(vendor))
	n := 0
	var deepest int
	var again func(c *local.Command)
	pcs := make([]uintptr, 256)
	again = func(c *local.Command) {
		if n++; n%1000 == 0 {
			deepest = max(deepest, runtime.Callers(0, pcs))
		}
		if n < 20_000 {
			i.Start(c, again)
		}
	}
	i.Start(&local.Command{CDB: testUnitReady}, again)
	require.Equal(t, 20_000, n)
	require.Less(t, deepest, 64)
}

// TestReuseAfterDone hands a command to another goroutine, which starts it anew while
// its done function may still run.
func TestReuseAfterDone(t *testing.T) {
	i := serve(t, blocking(vendor))
	ready := make(chan *local.Command, 1)
	pass := func(c *local.Command) { ready <- c }
	i.Start(&local.Command{CDB: read16(3, 1), In: make([]byte, 512)}, pass)
	for range 2000 {
		c := <-ready
		require.NoError(t, c.Err)
		require.Equal(t, byte(3), c.In[511])
		clear(c.In)
		i.Start(c, pass)
	}
	<-ready
}

func TestStartTwicePanics(t *testing.T) {
	s := newStuck()
	i := serve(t, s)
	ended := make(chan struct{})
	c := local.Command{CDB: read16(0, 1), In: make([]byte, 512)}
	i.Start(&c, func(*local.Command) { close(ended) })
	<-s.started
	require.Panics(t, func() { i.Start(&c, nil) })
	close(s.release)
	<-ended
}
