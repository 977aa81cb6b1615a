package iscsi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/invariant"
	"github.com/goscst/goscst/scsi"
)

func TestBusyPollOption(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{-1: 0, 0: 0, 1: 1, time.Millisecond: time.Millisecond, time.Hour: maxBusyPoll} {
		require.Equal(t, want, Options{BusyPoll: in}.withDefaults().BusyPoll)
	}
}

// polling makes a lab's server poll, for no longer than the test, which waits in the same process,
// can bear.
func polling(s *Server) { s.Options.BusyPoll = 50 * time.Microsecond }

// TestBusyPoll: a server that polls answers as any other, on several connections whose readers
// share one processor, and those that sleep are counted until they have ended.
func TestBusyPoll(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := newLab(t, polling)
	const seg, first, burst = 8192, 16384, 16384
	keys := []string{"InitialR2T=No", "ImmediateData=Yes", "HeaderDigest=None", "DataDigest=CRC32C", fmt.Sprint("MaxRecvDataSegmentLength=", seg),
		fmt.Sprint("FirstBurstLength=", first), fmt.Sprint("MaxBurstLength=", burst)}
	var peers []*peer
	for i := range 4 {
		p := l.connect(i == 3) // a pipe cannot be polled
		p.isid[5] = byte(i)
		p.login(keys...)
		p.clearUA(0)
		peers = append(peers, p)
	}
	idle := peers[0]
	for range 2 {
		for _, p := range peers[1:] {
			c := p.readCmd(0, 8, 100)
			p.send(c.Header, nil)
			got, _ := p.readData(c, seg, burst)
			require.True(t, bytes.Equal(l.fast.peek(8, 100*512), got))
			c = p.writeCmd(0, 8, 100)
			data := pattern(rand.Uint64(), 100*512)
			_, h, b := p.sendWrite(c, data, writeMode{"both", true, true})
			status, sense := p.statusOf(&h, b)
			require.Equal(t, scsi.StatusGood, status, "%v", sense)
			require.True(t, bytes.Equal(data, l.fast.peek(8, len(data))))
		}
	}
	idle.alive() // its reader has slept
	require.NoError(t, l.srv.Close())
	require.Zero(t, l.srv.asleep.Load())
	require.Zero(t, l.srv.awake.Load())
}

// TestBusyPollAllocatesNothing: polling does not cost memory.
func TestBusyPollAllocatesNothing(t *testing.T) {
	if invariant.Enabled || raceEnabled {
		return // their bookkeeping allocates
	}
	l := newLab(t, polling)
	p := l.login(false, "MaxRecvDataSegmentLength=262144")
	for name, f := range loops(p) {
		for range 100 {
			f()
		}
		require.Zero(t, testing.AllocsPerRun(300, f), name)
	}
}
