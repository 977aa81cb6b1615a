package lane_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/lane"
	"github.com/goscst/goscst/internal/leak"
)

func Example() {
	l := lane.New(1)
	done := make(chan bool)
	l.Add(&lane.Item{Run: func() { fmt.Println("on a worker"); close(done) }}, false)
	<-done
	l.Close()
	// Output: on a worker
}

func TestBoundAndOrder(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(2)
	gate := make(chan bool)
	started := make(chan int, 10)
	var items [6]lane.Item
	for i := range items {
		items[i].Run = func() { started <- i; <-gate }
		require.True(t, l.Add(&items[i], false))
	}
	first, second := <-started, <-started
	require.ElementsMatch(t, []int{0, 1}, []int{first, second})
	require.Equal(t, 4, l.Len())
	require.True(t, l.Remove(&items[3]), "a waiting item can be taken back")
	require.False(t, l.Remove(&items[3]), "once")
	require.False(t, l.Remove(&items[0]), "a running one cannot")
	gate <- true
	require.Equal(t, 2, <-started)
	gate <- true
	require.Equal(t, 4, <-started, "in order, without what was taken back")
	close(gate)
	require.Equal(t, 5, <-started)
	l.Close()
	require.False(t, l.Add(&items[0], false), "a closed lane takes nothing")
}

func TestManyProducers(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(4)
	var ran, active, most atomic.Int64
	var wg sync.WaitGroup
	const producers, each = 8, 2000
	for range producers {
		wg.Go(func() {
			done := make(chan bool)
			it := lane.Item{Run: func() {
				if n := active.Add(1); n > most.Load() {
					most.Store(n)
				}
				ran.Add(1)
				active.Add(-1)
				done <- true
			}}
			for range each {
				l.Add(&it, false)
				<-done
			}
		})
	}
	wg.Wait()
	l.Close()
	require.EqualValues(t, producers*each, ran.Load())
	require.LessOrEqual(t, most.Load(), int64(4))
}

func TestAddDoesNotAllocate(t *testing.T) {
	l := lane.New(1)
	defer l.Close()
	done := make(chan bool)
	it := lane.Item{Run: func() { done <- true }}
	run := func() { l.Add(&it, false); <-done }
	run()
	require.Zero(t, testing.AllocsPerRun(100, run))
}

func TestUrgent(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(1)
	gate := make(chan bool)
	ran := make(chan int, 10)
	var items [5]lane.Item
	for i := range items {
		items[i].Run = func() { ran <- i; <-gate }
		l.Add(&items[i], i == 3)
		if i == 0 {
			require.Zero(t, <-ran)
		}
	}
	close(gate)
	l.Close()
	close(ran)
	var got []int
	for i := range ran {
		got = append(got, i)
	}
	require.Equal(t, []int{3, 1, 2, 4}, got)
}

// TestSetMax changes the number of workers while there is work.
func TestSetMax(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(1)
	gate := make(chan bool)
	started := make(chan int, 10)
	var items [8]lane.Item
	for i := range items {
		items[i].Run = func() { started <- i; <-gate }
		l.Add(&items[i], false)
	}
	require.Equal(t, 0, <-started)
	l.SetMax(3)
	require.ElementsMatch(t, []int{1, 2}, []int{<-started, <-started}, "new workers take what waits")
	require.Equal(t, 5, l.Len())
	l.SetMax(0) // at least one
	gate <- true
	gate <- true
	gate <- true
	require.Equal(t, 3, <-started, "one worker is left, and goes on")
	gate <- true
	require.Equal(t, 4, <-started)
	require.Equal(t, 3, l.Len())
	close(gate)
	for i := 5; i < 8; i++ {
		require.Equal(t, i, <-started)
	}
	// The worker that is left is idle now, or about to be; more may come.
	l.SetMax(2)
	done := make(chan bool)
	l.Add(&lane.Item{Run: func() { close(done) }}, false)
	<-done
	l.Close()
}
