package load_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/internal/bench/load"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	name = "iqn.2026-11.example:load"
	size = 8 << 20
)

// serve serves a disk in memory as LUN 3 until the end of the test, one whose reads are stuck as
// LUN 5, and another good one as LUN 6.
func serve(t *testing.T) (addr string, store *mem.Store) {
	t.Helper()
	store = mem.New(size)
	eng := engine.New(nil)
	dev, err := eng.AddDevice("disk", disk.New(store, nil), nil)
	require.NoError(t, err)
	tgt, err := eng.AddTarget(name, nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(3, dev, nil))
	stuck := faultstore.New(mem.New(size), &faultstore.Options{Rules: []faultstore.Rule{{Ops: faultstore.OpRead, Stick: true}}})
	bad, err := eng.AddDevice("bad", disk.New(stuck, nil), nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(5, bad, nil))
	good, err := eng.AddDevice("good", disk.New(mem.New(size), nil), nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(6, good, nil))
	tgt.Enable()
	srv := &iscsi.Server{Engine: eng}
	a, err := srv.Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		stuck.SetRules()
		stuck.Release(-1)
		require.NoError(t, eng.Shutdown(context.Background()))
		require.NoError(t, store.Close())
	})
	return a.String(), store
}

// run makes the load, which has to succeed.
func run(t *testing.T, addr string, c load.Config) *load.Result {
	t.Helper()
	c.Addr, c.Target, c.LUN, c.Verify = addr, name, 3, true
	r, err := load.Run(t.Context(), c)
	require.NoError(t, err)
	return r
}

func TestRunVerifies(t *testing.T) {
	addr, store := serve(t)
	r := run(t, addr, load.Config{Conns: 3, Depth: 8, Block: 64 << 10, Writes: 100, Once: true})
	require.EqualValues(t, size/(64<<10), r.Commands)
	require.EqualValues(t, size, r.Bytes)
	require.Zero(t, r.Errors)
	require.EqualValues(t, size, store.Allocated())

	for _, c := range []load.Config{
		{Conns: 1, Depth: 1, Block: 512, Random: true, Count: 50},
		{Conns: 1, Depth: 32, Block: 4096, Random: true, Count: 1000},
		{Conns: 4, Depth: 16, Block: 4096, Random: true, Count: 300},
		{Conns: 2, Depth: 16, Block: 4096, Random: true, Count: 300, Writes: 100},
		{Conns: 1, Depth: 32, Block: 8192, Random: true, Count: 500, Writes: 30},
		{Conns: 1, Depth: 8, Block: 256 << 10, Count: 40},
		{Conns: 1, Depth: 8, Block: 256 << 10, Count: 40, Writes: 100}, // more than without asking
		{Conns: 1, Depth: 4, Block: 1 << 20, Count: 20},                // more than one PDU
		{Conns: 1, Depth: 4, Block: 1 << 20, Count: 20, Writes: 50},    // more than one burst
		{Conns: 64, Depth: 4, Block: 4096, Random: true, Count: 20},
	} {
		r := run(t, addr, c)
		require.EqualValues(t, c.Conns*c.Count, r.Commands, "%+v", c)
		require.EqualValues(t, c.Conns*c.Count*c.Block, r.Bytes, "%+v", c)
		require.Zero(t, r.Errors, "%+v", c)
		require.LessOrEqual(t, r.P50, r.P99)
		require.LessOrEqual(t, r.P99, r.P999)
	}

	// Another bit in two blocks shows in the two commands that read them.
	for _, at := range []int64{4096 * 7, 4096*900 + 7*512} {
		b := make([]byte, 512)
		require.NoError(t, store.Readv(t.Context(), [][]byte{b}, at))
		b[511] ^= 1
		require.NoError(t, store.Writev(t.Context(), [][]byte{b}, at))
	}
	r = run(t, addr, load.Config{Conns: 1, Depth: 8, Block: 4096, Once: true})
	require.EqualValues(t, size/4096, r.Commands)
	require.EqualValues(t, 2, r.Errors)
	require.EqualValues(t, size-2*4096, r.Bytes)
}

// TestRunManyLUNs reads from logical units with numbers of both forms, more than the command
// window has room for, beside sessions that do nothing.
func TestRunManyLUNs(t *testing.T) {
	const luns = 300
	store := mem.New(size)
	eng := engine.New(nil)
	tgt, err := eng.AddTarget(name, nil)
	require.NoError(t, err)
	for i := range luns {
		dev, err := eng.AddDevice(fmt.Sprint("disk", i), disk.New(store, nil), &engine.DeviceOptions{QueueDepth: 16})
		require.NoError(t, err)
		require.NoError(t, tgt.Map(uint16(3+i), dev, nil))
	}
	tgt.Enable()
	srv := &iscsi.Server{Engine: eng}
	a, err := srv.Listen("127.0.0.1:0")
	require.NoError(t, err)
	r := run(t, a.String(), load.Config{Conns: 2, Idle: 20, LUNs: luns, Depth: 4, Block: 4096, Writes: 100, Once: true})
	require.EqualValues(t, size/4096, r.Commands)
	require.Zero(t, r.Errors)
	r = run(t, a.String(), load.Config{Conns: 1, LUNs: luns, Depth: 16, Block: 4096, Random: true, Count: 3000})
	require.EqualValues(t, 3000, r.Commands)
	require.Zero(t, r.Errors)
	for _, d := range eng.Devices() {
		require.Greater(t, d.Stats().Commands, uint64(2*3), d.Name()) // more than TEST UNIT READY on each connection
	}
	require.NoError(t, srv.Close())
	require.NoError(t, eng.Shutdown(t.Context()))
	require.NoError(t, store.Close())
}

// newsy has news for the initiator in place of an answer to the first commands of one kind.
type newsy struct {
	*disk.Disk
	op   scsi.Opcode
	left atomic.Int32
}

func (n *newsy) Exec(c *scsi.Command) error {
	if c.Op().Op == n.op && n.left.Add(-1) >= 0 {
		return scsi.CapacityChanged
	}
	return n.Disk.Exec(c)
}

func (n *newsy) TryExec(c *scsi.Command) error { return scsi.ErrWouldBlock }

// TestRunTakesNews begins while the logical unit has news for each of the commands before the load.
func TestRunTakesNews(t *testing.T) {
	for _, op := range []scsi.Opcode{scsi.OpTestUnitReady, scsi.OpReadCapacity10} {
		eng := engine.New(nil)
		unit := &newsy{Disk: disk.New(mem.New(size), nil), op: op}
		dev, err := eng.AddDevice("disk", unit, nil)
		require.NoError(t, err)
		tgt, err := eng.AddTarget(name, nil)
		require.NoError(t, err)
		require.NoError(t, tgt.Map(3, dev, nil))
		tgt.Enable()
		srv := &iscsi.Server{Engine: eng}
		a, err := srv.Listen("127.0.0.1:0")
		require.NoError(t, err)
		unit.left.Store(40)
		r := run(t, a.String(), load.Config{Conns: 1, Depth: 1, Block: 4096, Writes: 100, Count: 10})
		require.Zero(t, r.Errors)
		require.Negative(t, unit.left.Load())
		require.NoError(t, srv.Close())
		require.NoError(t, eng.Shutdown(t.Context()))
	}
}

// TestRunTimed does not look at how much was done in the time.
func TestRunTimed(t *testing.T) {
	addr, _ := serve(t)
	r, err := load.Run(t.Context(), load.Config{
		Addr: addr, Target: name, LUN: 3, Conns: 2, Depth: 4, Block: 4096, Duration: time.Millisecond,
	})
	require.NoError(t, err)
	require.Positive(t, r.Commands)
	require.GreaterOrEqual(t, r.Elapsed, time.Millisecond)
}

// TestRunHangs has commands in progress that are not answered, and some that are.
func TestRunHangs(t *testing.T) {
	addr, _ := serve(t)
	cfg := load.Config{
		Addr: addr, Target: name, LUN: 3, Conns: 2, Depth: 4, Block: 4096, Count: 50, Hang: 20, HangLUN: 5,
	}
	r, err := load.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.EqualValues(t, 100, r.Commands)
	require.Zero(t, r.Errors)
	cfg.HangLUN, cfg.Initiator = 6, "-other" // the sessions of the first run do not end before the test
	_, err = load.Run(t.Context(), cfg)
	require.ErrorContains(t, err, "at a time when it makes no sense")
}

func TestRunFails(t *testing.T) {
	addr, _ := serve(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	good := load.Config{Addr: addr, Target: name, LUN: 3, Conns: 1, Depth: 1, Block: 4096, Count: 1}
	for _, c := range []struct {
		change func(*load.Config)
		want   string
	}{
		{func(c *load.Config) { c.Target += "x" }, "login refused"},
		{func(c *load.Config) { c.LUN = 4 }, "TEST UNIT READY to LUN 4 ends with status 02h"},
		{func(c *load.Config) { c.Addr = "127.0.0.1:1" }, "refused"},
		{func(c *load.Config) { c.Block = 100 }, "multiple of 512"},
		{func(c *load.Config) { c.Block = 2 << 20 }, "multiple of 512"},
		{func(c *load.Config) { c.Conns = 0 }, "connections"},
		{func(c *load.Config) { c.Conns = load.MaxConns + 1 }, "connections"},
		{func(c *load.Config) { c.Depth = 0 }, "depth"},
		{func(c *load.Config) { c.Idle = -1 }, "idle sessions"},
		{func(c *load.Config) { c.LUNs = -1 }, "logical units"},
		{func(c *load.Config) { c.LUNs = 1<<14 - 2 }, "none is allowed beyond 16383"},
		{func(c *load.Config) { c.LUNs = 2 }, "TEST UNIT READY to LUN 4 ends with status 02h"},
		{func(c *load.Config) { c.Writes = 101 }, "% of writes"},
		{func(c *load.Config) { c.Count = 0 }, "a duration or a count"},
		{func(c *load.Config) { c.Window = time.Second }, "windows"},
		{func(c *load.Config) { c.Window, c.Duration = 1, time.Hour }, "windows"},
		{func(c *load.Config) { c.Hang, c.HangLUN = 1, 3 }, "on another LUN"},
		{func(c *load.Config) { c.Hang = -1 }, "on another LUN"},
		{func(c *load.Config) { c.Hang, c.HangLUN = 1, 4 }, "TEST UNIT READY to LUN 4 ends with status 02h"},
		{func(c *load.Config) { c.Addr = silent.Addr().String(); cancelOnAccept(silent, cancel) }, "context canceled"},
	} {
		cfg := good
		c.change(&cfg)
		r, err := load.Run(ctx, cfg)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, r)
	}
}

// cancelOnAccept calls cancel when somebody connects.
func cancelOnAccept(l net.Listener, cancel func()) {
	go func() {
		c, err := l.Accept()
		cancel()
		if err == nil {
			buf := make([]byte, 1<<10)
			for err == nil { // until the other side gives up
				_, err = c.Read(buf)
			}
			_ = c.Close()
		}
	}()
}
