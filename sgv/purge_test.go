package sgv_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

const interval = 10 * time.Second

// wait lets the bubble's clock go on by d and the purge, if one is due, end.
func wait(d time.Duration) {
	<-time.After(d) // fake time: everything else is blocked
	synctest.Wait()
}

func TestPurgeDropsWhatLaysIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &counter{}
		p := newPool(t, &sgv.Options{PurgeInterval: interval, Allocator: mem})
		a, b := get(t, p, 4096), get(t, p, 1<<20)
		a.Release() // 0 s: starts the timer
		wait(interval - time.Second)
		b.Release() // 9 s
		require.EqualValues(t, 2, p.Stats().Idle)
		wait(2 * time.Second)
		require.EqualValues(t, 2, p.Stats().Idle, "11 s: none was idle for a whole interval at 10 s")
		wait(interval - time.Second)
		// 20 s: a lay idle for 20 s, b for 11 s.
		st := p.Stats()
		require.Zero(t, st.Idle)
		require.EqualValues(t, 2, st.Purged)
		require.Zero(t, mem.held())
	})
}

func TestPurgeKeepsWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &sgv.Options{PurgeInterval: interval, Shards: 1})
		a, b := get(t, p, 4096), get(t, p, 4096)
		b.Release()
		a.Release()
		for range 10 {
			wait(interval / 2)
			get(t, p, 4096).Release() // always a, the warmest
		}
		st := p.Stats()
		require.EqualValues(t, 1, st.Idle)
		require.EqualValues(t, 1, st.Purged)
		require.EqualValues(t, 2, st.Misses)
		require.EqualValues(t, 10, st.Hits)
	})
}

// Each buffer goes between one and two intervals after its release, whenever that was.
func TestPurgeTiming(t *testing.T) {
	for step := range 8 {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &sgv.Options{PurgeInterval: interval})
			get(t, p, 8192).Release() // some phase of the timer
			wait(time.Duration(step) * interval / 8)
			get(t, p, 4096).Release()
			released := time.Now()
			for p.Stats().Classes[0].Idle == 1 {
				wait(interval / 16)
			}
			idle := time.Since(released)
			require.GreaterOrEqual(t, idle, interval)
			require.LessOrEqual(t, idle, 2*interval)
		})
	}
}

// Nothing runs for a pool without idle buffers: the bubble ends although the pool is not closed,
// and its clock has nothing to wake up for.
func TestNoTimerWhenNothingIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sgv.NewPool(&sgv.Options{PurgeInterval: interval})
		b := get(t, p, 4096)
		wait(10 * interval)
		require.Zero(t, p.Stats().Purged)
		b.Release()
		wait(2 * interval)
		require.EqualValues(t, 1, p.Stats().Purged)
		// The timer starts anew after it has stopped.
		wait(5 * interval)
		get(t, p, 4096).Release()
		wait(2 * interval)
		require.EqualValues(t, 2, p.Stats().Purged)
	})
}

func TestPurgeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &sgv.Options{PurgeInterval: -1})
		get(t, p, 4096).Release()
		wait(1000 * time.Hour)
		require.EqualValues(t, 1, p.Stats().Idle)
	})
}

func TestDefaultPurgeInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		get(t, p, 4096).Release()
		wait(119 * time.Second)
		require.EqualValues(t, 1, p.Stats().Idle)
		wait(time.Second)
		require.Zero(t, p.Stats().Idle)
	})
}

// slow is an Allocator whose Free waits until it may end.
type slow struct {
	counter
	entered, goOn chan struct{}
}

func (s *slow) Free(seg []byte) {
	s.entered <- struct{}{}
	<-s.goOn
	s.counter.Free(seg)
}

func TestCloseWaitsForThePurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &slow{entered: make(chan struct{}), goOn: make(chan struct{})}
		p := sgv.NewPool(&sgv.Options{PurgeInterval: interval, Allocator: mem})
		get(t, p, 4096).Release()
		<-mem.entered // the purge is in Free
		closed := make(chan error)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while the purge ran")
		default:
		}
		mem.goOn <- struct{}{}
		require.NoError(t, <-closed)
		require.Zero(t, mem.held())
	})
}

// Get and Release go on while a purge is stuck in the Allocator.
func TestPurgeHoldsNoLockInFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &slow{entered: make(chan struct{}), goOn: make(chan struct{})}
		p := sgv.NewPool(&sgv.Options{PurgeInterval: interval, Allocator: mem, Shards: 1})
		get(t, p, 4096).Release()
		<-mem.entered
		b := get(t, p, 4096)
		b.Release()
		require.EqualValues(t, 1, p.Stats().Idle)
		mem.goOn <- struct{}{}
		go func() {
			<-mem.entered
			mem.goOn <- struct{}{}
		}()
		require.NoError(t, p.Close())
		require.Zero(t, mem.held())
	})
}

// High watermark and age: what was not used since the last sweep makes room for what is.
func TestColdBuffersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &sgv.Options{PurgeInterval: interval, MaxCached: 64 << 10, Shards: 1})
		get(t, p, 64<<10).Release()
		get(t, p, 4096).Release()
		require.EqualValues(t, 1, p.Stats().Classes[0].Dropped, "both were used lately: the newcomer goes")
		wait(interval + time.Second)
		get(t, p, 4096).Release()
		st := p.Stats()
		require.EqualValues(t, 1, st.Classes[4].Dropped)
		require.EqualValues(t, 1, st.Classes[0].Idle)
	})
}

// More buffers than are looked at with the lock held once go all the same.
func TestPurgeOfManyBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		mem := &counter{}
		p := newPool(t, &sgv.Options{PurgeInterval: interval, Allocator: mem, Shards: 1})
		fill := func() {
			var held []*sgv.Buf
			for i := range n {
				held = append(held, get(t, p, 4096<<(i%2)))
			}
			for _, b := range held {
				b.Release()
			}
			require.EqualValues(t, n, p.Stats().Idle)
		}
		fill()
		wait(interval)
		require.EqualValues(t, n, p.Stats().Idle)
		wait(interval)
		require.EqualValues(t, n, p.Stats().Purged)
		require.Zero(t, mem.held())
		fill()
		p.Flush()
		require.Zero(t, p.Stats().Idle)
		require.Zero(t, mem.held())
	})
}
