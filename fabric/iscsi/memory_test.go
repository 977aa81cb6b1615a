package iscsi

import (
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi/engine"
)

// inUse is the memory of the process that the runtime manages and does not consider free.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool has is let go by the second
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// load logs in over TCP as the n-th initiator, writes, and has depth reads of 16 KiB in progress at
// once, which are done when it returns. The connection is closed when nobody refers to it.
func (l *lab) load(n, depth int) net.Conn {
	p := l.connect(false)
	p.isid[4], p.isid[5] = byte(n>>8), byte(n)
	p.login("MaxRecvDataSegmentLength=16384")
	p.clearUA(0)
	p.send(p.writeCmd(0, 0, 16).Header, make([]byte, 8192))
	p.good()
	for range depth {
		p.send(p.readCmd(0, 0, 32).Header, nil)
	}
	for range depth {
		p.must(pdu.OpDataIn)
	}
	return p.nc
}

// idleBound is what an idle session may take, in bytes, its test's side of the connection
// included.
const idleBound = 64 << 10

// TestIdleSessionMemory: what grows with the sessions is small, also if they have been used.
func TestIdleSessionMemory(t *testing.T) {
	l := newLab(t)
	conns := []net.Conn{l.load(0, 32)}
	before := inUse()
	const sessions = 200
	for n := range sessions {
		conns = append(conns, l.load(n+1, 32))
	}
	require.Less(t, (inUse()-before)/sessions, int64(idleBound))
	runtime.KeepAlive(conns)
}

// TestMemoryAfterLargeWrites: a session whose data went straight to its buffers keeps none of them.
func TestMemoryAfterLargeWrites(t *testing.T) {
	l := newLab(t)
	data := make([]byte, 256<<10)
	write := func(n int) net.Conn {
		p := l.connect(false)
		p.isid[5] = byte(n)
		p.login("InitialR2T=No", "FirstBurstLength=262144")
		p.clearUA(0)
		c := p.writeCmd(0, 0, len(data)/512)
		p.send(c.Header, data)
		p.good()
		p.alive()
		l.quiet()
		l.pool.Flush() // so that the next session has others
		return p.nc
	}
	conns := []net.Conn{write(0)}
	before := inUse()
	const sessions = 8
	for n := range sessions {
		conns = append(conns, write(n+1))
	}
	require.Less(t, (inUse()-before)/sessions, int64(idleBound))
	runtime.KeepAlive(conns)
}

// quiet waits until no session has a command: the last answers have left, and their senders know.
func (l *lab) quiet() {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		live := 0
		for _, s := range l.tgt.Sessions() {
			live += s.Live
		}
		return live == 0
	}, patience, time.Millisecond)
}

// TestMemoryAfterLoad: what a session needed for many commands at once goes when it does not need
// them any more: the commands by and by, the buffers with the pool's purge.
func TestMemoryAfterLoad(t *testing.T) {
	l := newLab(t)
	deep, err := l.eng.AddDevice("deep", newLabLU(false), &engine.DeviceOptions{QueueDepth: 1024})
	require.NoError(t, err)
	require.NoError(t, l.tgt.Unmap(t.Context(), 0))
	require.NoError(t, l.tgt.Map(0, deep, nil))
	first := l.load(0, 1)
	before := inUse()
	conns := []net.Conn{first}
	const sessions = 8
	for n := range sessions {
		conns = append(conns, l.load(n+1, 1024))
	}
	l.quiet()
	for range 2 { // from one call to the next nothing was needed
		l.srv.mu.Lock()
		for c := range l.srv.conns {
			c.nx.Trim()
		}
		l.srv.mu.Unlock()
	}
	l.pool.Flush()
	require.Less(t, (inUse()-before)/sessions, int64(idleBound))
	require.Zero(t, l.pool.Stats().IdleBytes)
	runtime.KeepAlive(conns)
}
