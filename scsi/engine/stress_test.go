package engine_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

var seed = flag.Uint64("seed", 0, "seed of the random tests; 0 chooses one")

// slowDevice executes commands in one of the ways a handler may, chosen by the tag. It
// keeps, for each command, whether the handler has it: a function that is answered
// meanwhile is a lie.
type slowDevice struct {
	held  [1 << 16]atomic.Bool // by tag
	delay chan func()          // completions, done by one goroutine in an order of its own
	tst   uint8
}

func (d *slowDevice) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeDisk, BlockSize: 512, Control: scsi.Control{TST: d.tst, QueueAlg: 1}}, nil
}

func (d *slowDevice) TryExec(c *scsi.Command) error {
	if c.Tag%4 == 0 {
		return scsi.ErrWouldBlock
	}
	return d.Exec(c)
}

func (d *slowDevice) Exec(c *scsi.Command) error {
	if c.Op().Op == scsi.OpTestUnitReady {
		return nil
	}
	tag := c.Tag
	d.held[tag].Store(true)
	switch tag % 3 {
	case 0:
		d.held[tag].Store(false)
		return nil
	case 1:
		p := c.Defer()
		d.delay <- func() { d.held[tag].Store(false); p.Done(nil) }
		return nil
	}
	p := c.Defer()
	d.held[tag].Store(false)
	p.Done(scsi.MediumReadError)
	return nil
}

// stressSession answers everything, data-out and responses of some commands from other
// goroutines, and counts.
type stressSession struct {
	t         *testing.T
	d         *slowDevice
	s         *engine.Session
	responded atomic.Int64
	functions atomic.Int64
	closed    chan struct{}
	over      atomic.Bool
	wg        sync.WaitGroup
}

func (x *stressSession) RequestData(c *scsi.Command) {
	if c.Tag%5 != 0 {
		c.DataReceived(nil)
		return
	}
	x.wg.Go(func() { c.DataReceived(nil) })
}

func (x *stressSession) Respond(c *scsi.Command) {
	if x.over.Load() {
		x.t.Error("a response after the end of the session")
	}
	if c.Op().Op != scsi.OpTestUnitReady && x.d.held[c.Tag].Load() {
		x.t.Errorf("command %d is responded to while the handler has it", c.Tag)
	}
	x.responded.Add(1)
	if c.Tag%7 == 0 {
		x.wg.Go(func() { c.ResponseSent(nil) })
		return
	}
	c.ResponseSent(nil)
}

func (x *stressSession) TaskDone(f *fabric.Task) {
	if f.Function == scsi.AbortTask && x.d.held[f.Tag].Load() && f.Response == scsi.FunctionComplete {
		x.t.Errorf("ABORT TASK of %d is answered while the handler has it", f.Tag)
	}
	x.functions.Add(1)
}

func (x *stressSession) Closed(error) {
	x.over.Store(true)
	close(x.closed)
}

// TestStress has several initiators submit commands and task management functions
// while LUNs come and go, devices are blocked and sessions end: every command is
// answered once, nothing is left.
func TestStress(t *testing.T) {
	for _, tst := range []uint8{0, 1} {
		t.Run(fmt.Sprint("tst=", tst), func(t *testing.T) { stress(t, tst) })
	}
}

func stress(t *testing.T, tst uint8) {
	leak.Goroutines(t)
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", n)
	e := engine.New(nil)
	d := &slowDevice{delay: make(chan func(), 4096), tst: tst}
	dev, err := e.AddDevice("disk", d, &engine.DeviceOptions{Workers: 2, QueueDepth: 64})
	require.NoError(t, err)
	tgt, err := e.AddTarget("iqn.2026-11.example:stress", nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, dev, nil))
	require.NoError(t, tgt.Group("g").Map(0, dev, nil))
	tgt.Enable()

	// Completions come late and out of order.
	var completer sync.WaitGroup
	completer.Go(func() {
		rng := rand.New(rand.NewPCG(n, 1))
		var held []func()
		for f := range d.delay {
			held = append(held, f)
			for len(held) > 0 && (len(d.delay) == 0 || len(held) > 16) {
				i := rng.IntN(len(held))
				held[i]()
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
			}
		}
	})

	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { stressInitiator(t, tgt, d, n, i) })
	}
	stop := make(chan struct{})
	var manager sync.WaitGroup
	manager.Go(func() { stressManager(t, tgt, dev, n, stop) })
	wg.Wait()
	close(stop)
	manager.Wait()
	require.NoError(t, e.Close())
	require.Zero(t, e.Stats().Pool.Outstanding)
	close(d.delay)
	completer.Wait()
}

func stressInitiator(t *testing.T, tgt *engine.Target, d *slowDevice, seed uint64, i int) {
	rng := rand.New(rand.NewPCG(seed, uint64(100+i)))
	attrs := []scsi.TaskAttr{scsi.Simple, scsi.Simple, scsi.Simple, scsi.Simple, scsi.Ordered, scsi.HeadOfQueue}
	functions := []scsi.TaskFunction{scsi.AbortTask, scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearTaskSet, scsi.LogicalUnitReset, scsi.QueryTask, scsi.NexusReset, scsi.ClearACA}
	for range 5 {
		x := &stressSession{t: t, d: d, closed: make(chan struct{})}
		var err error
		x.s, err = tgt.Login(context.Background(), fabric.Initiator{Name: fmt.Sprint("iqn.stress:", i)}, x)
		require.NoError(t, err)
		var submitted, managed int64
		for k := range 600 {
			if rng.IntN(20) == 0 {
				x.s.Manage(&fabric.Task{Function: functions[rng.IntN(len(functions))], Tag: uint64(i<<12 | rng.IntN(k+1))})
				managed++
			}
			c := x.s.NewCommand()
			c.Tag, c.Attr = uint64(i<<12|k), attrs[rng.IntN(len(attrs))]
			op := []string{"read", "write", "tur"}[rng.IntN(3)]
			cdb, err := cdbOf(op, 0, 8)
			require.NoError(t, err)
			if rng.IntN(50) == 0 {
				cdb[len(cdb)-1] |= 4 // NACA
			}
			c.SetCDB(cdb)
			x.s.Submit(c)
			submitted++
		}
		x.s.Close(nil)
		<-x.closed
		x.wg.Wait()
		require.Equal(t, submitted, x.responded.Load())
		require.Equal(t, managed, x.functions.Load())
	}
}

func stressManager(t *testing.T, tgt *engine.Target, dev *engine.Device, seed uint64, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(seed, 7))
	ctx := context.Background()
	for {
		select {
		case <-stop:
			return
		default:
		}
		switch rng.IntN(8) {
		case 0:
			unblock, err := dev.Block(ctx)
			require.NoError(t, err)
			unblock()
		case 1:
			require.NoError(t, tgt.Unmap(ctx, 0))
			require.NoError(t, tgt.Map(0, dev, nil))
		case 2:
			dev.Raise(scsi.CapacityChanged)
		case 3:
			require.NoError(t, tgt.Group("").Replace(ctx, 0, dev, nil))
		case 4: // a group of its own for one of them, and back
			name := fmt.Sprint("iqn.stress:", rng.IntN(4))
			require.NoError(t, tgt.Group("g").AddInitiator(name))
			require.NoError(t, tgt.Group("g").RemoveInitiator(name))
		case 5:
			require.NoError(t, tgt.Group("h").Map(uint16(rng.IntN(2)), dev, &engine.LUNOptions{ReadOnly: rng.IntN(2) == 0}))
			require.NoError(t, tgt.Group("h").AddInitiator(fmt.Sprint("iqn.stress:", rng.IntN(4))))
			require.NoError(t, tgt.Group("h").Remove(ctx))
		case 6:
			dev.SetQueueDepth(1 + rng.IntN(64))
			dev.SetWorkers(1 + rng.IntN(4))
		case 7:
			for _, s := range tgt.Sessions() {
				_, _ = tgt.Latency(s.ID)
			}
		}
		tgt.Sessions()
		dev.Stats()
	}
}
