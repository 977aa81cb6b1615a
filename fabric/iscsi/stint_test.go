package iscsi

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// TestStint: a reader gives way after some time without sleep, earlier if it is not alone, later if
// others take the processors for long.
func TestStint(t *testing.T) {
	srv := &Server{}
	srv.init()
	defer srv.rounds.close()
	c := &conn{srv: srv}
	c.stint.round = make(chan struct{}, 1)
	// The clock is moved by hand: what the test takes itself is a part of the times meant here
	// only if it takes an hour.
	const hour = 100 * time.Hour
	at := func(d time.Duration) { srv.began = time.Now().Add(-hour - d) }
	over := func(d time.Duration) bool {
		c.stint.since = hour
		at(d)
		return c.stintOver()
	}
	srv.awake.Store(1)
	at(0)
	require.False(t, c.stintOver(), "it begins")
	require.NotZero(t, c.stint.since)
	require.True(t, over(loneStint))
	require.False(t, func() bool { c.stint.since = 2 * hour; return c.stintOver() }())
	srv.asleep.Store(1)
	require.True(t, over(stintTime))
	c.stint.waited = longRound + 1
	require.True(t, over(loneStint))
	c.stint.work = 5
	require.True(t, over(2*loneStint))
	require.Zero(t, c.stint.work)

	at(loneStint)
	c.giveWay()
	require.Greater(t, c.stint.since, hour)
	require.False(t, func() bool { c.stint.since += hour; return c.stintOver() }())

	c.sleeps()
	require.Zero(t, c.stint.since)
	require.EqualValues(t, []int32{0, 2}, []int32{srv.awake.Load(), srv.asleep.Load()})
	c.wakes()
	c.wakes()
	require.EqualValues(t, []int32{1, 1}, []int32{srv.awake.Load(), srv.asleep.Load()})
}

// TestFlood: an initiator with one command at a time gets its answers while others send more than
// the target can do, in reads and in writes of any size.
func TestFlood(t *testing.T) {
	l := newLab(t)
	keys := []string{"InitialR2T=No", "MaxRecvDataSegmentLength=262144", "FirstBurstLength=65536"}
	login := func(i byte) *peer {
		p := l.connect(false)
		p.isid[5] = i
		p.login(keys...)
		p.clearUA(0)
		return p
	}
	victim := login(0)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range byte(4) {
		p := login(1 + i)
		f := loops(p)[[]string{"read 4 KiB", "read 256 KiB", "write 4 KiB, immediate", "write 256 KiB"}[i]]
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	for range 200 {
		c := victim.readCmd(0, 0, 8)
		victim.send(c.Header, nil)
		_, last := victim.readData(c, 262144, 262144)
		require.Equal(t, pdu.OpDataIn, last.Opcode())
	}
	close(stop)
	wg.Wait()
	require.NoError(t, l.srv.Close())
	require.Zero(t, l.srv.asleep.Load())
	require.Zero(t, l.srv.awake.Load())
}
