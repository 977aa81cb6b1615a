package iscsi

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// labTarget is the target of a lab, labInitiator whom it talks to.
const (
	labTarget    = "iqn.2026-11.example:lab"
	labInitiator = "iqn.2026-11.example:init"
)

// labLU is a disk in memory whose commands can be held up. Blocks from labStuck on are
// only read and written while open is closed.
type labLU struct {
	blocking bool
	stuck    chan struct{}               // if not nil, aborted commands wait for it to be closed
	bidi     func(c *scsi.Command) error // vendor command C0h
	mu       sync.Mutex
	mem      []byte
	wrote    int           // guarded by mu; number of writes that were done
	entered  chan struct{} // gets a value when a command is held up
	open     chan struct{}
}

const (
	labBlocks = 16384
	labStuck  = 8192
)

func newLabLU(blocking bool) *labLU {
	return &labLU{
		blocking: blocking, mem: make([]byte, labBlocks*512),
		entered: make(chan struct{}, 256), open: make(chan struct{}),
	}
}

func (d *labLU) Describe() (scsi.Description, error) {
	return scsi.Description{
		Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: !d.blocking, Parse: scsi.ParseUnknown,
		Control: scsi.Control{QueueAlg: 1},
	}, nil
}

// Parse gives the vendor command the lengths that the initiator expects.
func (d *labLU) Parse(c *scsi.Command, p *scsi.Parsed) error {
	if c.CDB()[0] != 0xC0 {
		return scsi.InvalidOpcode
	}
	p.In, p.Out = int64(c.ExpectedIn), int64(c.ExpectedOut)
	return nil
}

func (d *labLU) Exec(c *scsi.Command) error {
	if c.CDB()[0] == 0xC0 && d.bidi != nil {
		return d.bidi(c)
	}
	switch c.Op().Op {
	case scsi.OpTestUnitReady:
		return nil
	case scsi.OpInquiry:
		return c.Reply(append([]byte{0, 0, 6, 2, 31}, make([]byte, 31)...))
	case scsi.OpRead10, scsi.OpRead16, scsi.OpWrite10, scsi.OpWrite16:
	default:
		return scsi.InvalidOpcode
	}
	if c.LBA()+uint64(c.Blocks()) > labBlocks {
		return scsi.LBAOutOfRange
	}
	if d.blocking && c.LBA() >= labStuck {
		select {
		case d.entered <- struct{}{}:
		default: // nobody counts any more
		}
		select {
		case <-d.open:
		case <-c.Context().Done():
			if d.stuck != nil {
				<-d.stuck
			}
			return c.Context().Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	off := int(c.LBA()) * 512
	switch c.Op().Op {
	case scsi.OpRead10, scsi.OpRead16:
		if b := c.Data(); b != nil {
			for _, s := range b.Segs() {
				off += copy(s, d.mem[off:])
			}
		}
	default:
		d.wrote++
		if b := c.Data(); b != nil {
			for _, s := range b.Segs() {
				off += copy(d.mem[off:], s)
			}
		}
	}
	return nil
}

// peek returns n bytes from block lba on.
func (d *labLU) peek(lba, n int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]byte(nil), d.mem[lba*512:lba*512+n]...)
}

// poke fills n bytes from block lba on.
func (d *labLU) poke(lba int, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.mem[lba*512:], data)
}

func (d *labLU) writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrote
}

// lab is a server with an engine: LUN 0 is a disk that executes inline, LUN 1 one that
// blocks.
type lab struct {
	t      testing.TB
	eng    *engine.Engine
	pool   *sgv.Pool
	tgt    *engine.Target
	srv    *Server
	fast   *labLU
	slow   *labLU
	listen net.Addr
}

func newLab(t testing.TB, setup ...func(*Server)) *lab {
	if _, ok := t.(*testing.T); ok {
		leak.Goroutines(t)
	}
	l := &lab{t: t, pool: sgv.NewPool(&sgv.Options{PurgeInterval: -1}), fast: newLabLU(false), slow: newLabLU(true)}
	l.eng = engine.New(&engine.Options{Pool: l.pool})
	fast, err := l.eng.AddDevice("fast", l.fast, &engine.DeviceOptions{QueueDepth: 64})
	require.NoError(t, err)
	slow, err := l.eng.AddDevice("slow", l.slow, &engine.DeviceOptions{QueueDepth: 64})
	require.NoError(t, err)
	l.tgt, err = l.eng.AddTarget(labTarget, nil)
	require.NoError(t, err)
	require.NoError(t, l.tgt.Map(0, fast, nil))
	require.NoError(t, l.tgt.Map(1, slow, nil))
	l.tgt.Enable()
	l.srv = &Server{Engine: l.eng}
	for _, f := range setup {
		f(l.srv)
	}
	t.Cleanup(func() {
		require.NoError(t, l.srv.Close())
		require.NoError(t, l.eng.Close())
		require.Zero(t, l.pool.Outstanding(), "buffers are left")
		require.NoError(t, l.pool.Close())
	})
	return l
}

// dial connects over TCP, or over a pipe, which has no descriptor.
func (l *lab) dial(pipe bool) net.Conn {
	if pipe {
		a, b := net.Pipe()
		l.srv.init()
		l.srv.start(b)
		return a
	}
	if l.listen == nil {
		var err error
		l.listen, err = l.srv.Listen("127.0.0.1:0")
		require.NoError(l.t, err)
	}
	nc, err := net.Dial("tcp", l.listen.String())
	require.NoError(l.t, err)
	return nc
}

// only returns the connection of a lab that has one.
func (l *lab) only() *conn {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	require.Len(l.t, l.srv.conns, 1)
	for c := range l.srv.conns {
		return c
	}
	return nil
}

// counted waits until the counters of the oldest session are as cond wants them.
func (l *lab) counted(cond func(Counters) bool) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		list := l.srv.Sessions()
		return len(list) > 0 && cond(list[0].Counters)
	}, patience, time.Millisecond)
}

// patience is how long a test waits for what has to come. It is only spent on a failure.
const patience = 10 * time.Second
