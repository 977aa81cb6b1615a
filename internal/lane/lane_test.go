package lane_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

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

// TestFlows has work of three flows wait for one worker.
func TestFlows(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(1)
	gate, started := make(chan bool), make(chan bool)
	l.Add(&lane.Item{Run: func() { close(started); <-gate }}, false)
	<-started
	var got []string
	var flows [3]lane.Flow
	item := func(flow int, name string) *lane.Item {
		it := &lane.Item{Run: func() { got = append(got, name) }}
		if flow >= 0 {
			it.Flow = &flows[flow]
		}
		return it
	}
	add := func(it *lane.Item, urgent bool) { require.True(t, l.Add(it, urgent)) }
	for i := range 5 {
		add(item(0, fmt.Sprint("a", i)), false)
	}
	add(item(1, "b0"), false)
	only := item(2, "c0")
	add(only, false)
	add(item(-1, "n0"), false)
	b1, n1 := item(1, "b1"), item(-1, "n1")
	add(b1, false)
	add(n1, false)
	add(item(0, "u0"), true)
	add(item(1, "u1"), true)
	require.Equal(t, 12, l.Len())
	require.True(t, l.Remove(b1))
	require.True(t, l.Remove(only), "a flow that becomes empty")
	require.False(t, l.Remove(only))
	add(only, false) // is behind all others afterwards
	add(item(2, "c1"), false)
	require.Equal(t, 12, l.Len())
	close(gate)
	l.Close()
	require.Equal(t, []string{"u1", "u0", "a0", "b0", "n0", "c0", "a1", "n1", "c1", "a2", "a3", "a4"}, got)
	require.Zero(t, l.Len())
}

// TestFairPart has a flow keep all workers busy when another comes.
func TestFairPart(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(4)
	gate, started := make(chan bool), make(chan string, 20)
	var flows [2]lane.Flow
	add := func(flow, n int, name string) {
		for range n {
			l.Add(&lane.Item{Run: func() { started <- name; <-gate }, Flow: &flows[flow]}, false)
		}
	}
	next := func() string { gate <- true; return <-started }
	add(0, 10, "much")
	for range 4 {
		require.Equal(t, "much", <-started)
	}
	add(1, 3, "little")
	require.Equal(t, "little", next())
	require.Equal(t, "little", next(), "up to its part of the workers")
	require.Equal(t, "much", next(), "which it has now")
	close(gate)
	l.Close()
	require.Len(t, started, 6)
	require.Zero(t, l.Len())
}

// TestFlowsModel compares any sequence of changes with a plain model.
func TestFlowsModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := lane.New(1)
		gate, started := make(chan bool), make(chan bool)
		l.Add(&lane.Item{Run: func() { close(started); <-gate }}, false)
		<-started
		var got, want []int
		flows := make([]lane.Flow, 4)
		queues := make([][]int, len(flows)) // of the model
		var urgent, ring []int
		items := make([]*lane.Item, 60)
		for i := range items {
			f := r.IntN(len(flows))
			items[i] = &lane.Item{Run: func() { got = append(got, i) }, Flow: &flows[f]}
			switch now := r.IntN(5) == 0; {
			case now:
				l.Add(items[i], true)
				urgent = slices.Insert(urgent, 0, i)
			default:
				l.Add(items[i], false)
				if !slices.Contains(ring, f) {
					ring = append(ring, f)
				}
				queues[f] = append(queues[f], i)
			}
			if x := r.IntN(i + 1); r.IntN(3) == 0 && l.Remove(items[x]) {
				is := func(n int) bool { return n == x }
				urgent = slices.DeleteFunc(urgent, is)
				for f := range queues {
					queues[f] = slices.DeleteFunc(queues[f], is)
				}
				ring = slices.DeleteFunc(ring, func(f int) bool { return len(queues[f]) == 0 })
			}
		}
		want = append(want, urgent...)
		for len(ring) > 0 {
			f := ring[0]
			ring = ring[1:]
			want = append(want, queues[f][0])
			if queues[f] = queues[f][1:]; len(queues[f]) > 0 {
				ring = append(ring, f)
			}
		}
		require.Equal(t, len(want), l.Len(), "seed %d", seed)
		close(gate)
		l.Close()
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// TestGoexit: an item that ends its goroutine costs no worker.
func TestGoexit(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(1)
	gate := make(chan bool)
	ran := make(chan bool, 2)
	items := []lane.Item{
		{Run: func() { <-gate; runtime.Goexit() }},
		{Run: func() { ran <- true; runtime.Goexit() }, Flow: new(lane.Flow)},
		{Run: func() { ran <- true }},
	}
	for i := range items {
		require.True(t, l.Add(&items[i], false))
	}
	close(gate)
	l.Close()
	require.Len(t, ran, 2)
}

// TestSpareWorkers: beside another flow, and for some time after it, one with much to do leaves some
// workers free, so that the other one does not wait; alone it has all of them.
func TestSpareWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lane.New(16)
		type user struct {
			flow    lane.Flow
			gate    chan bool
			running atomic.Int64
		}
		much, little := &user{gate: make(chan bool)}, &user{gate: make(chan bool)}
		add := func(u *user, n int) {
			for range n {
				l.Add(&lane.Item{Run: func() { u.running.Add(1); <-u.gate; u.running.Add(-1) }, Flow: &u.flow}, false)
			}
		}
		end := func(u *user) {
			u.gate <- true
			synctest.Wait()
		}
		expect := func(atMuch, atLittle int64, waiting int) {
			t.Helper()
			synctest.Wait()
			got := []int64{much.running.Load(), little.running.Load(), int64(l.Len())}
			require.Equal(t, []int64{atMuch, atLittle, int64(waiting)}, got)
		}
		add(much, 200)
		expect(16, 0, 184)
		add(little, 1)
		expect(16, 0, 185)
		end(much)
		expect(15, 1, 184)
		end(much)
		end(much)
		expect(13, 1, 184)
		end(much)
		expect(13, 1, 183)
		add(little, 2) // finds workers that are free
		expect(13, 3, 183)
		end(little)
		end(little)
		expect(13, 1, 183)
		end(little)
		expect(14, 0, 182)
		add(much, 1)
		expect(14, 0, 183)
		add(little, 1)
		expect(14, 1, 183)
		end(little)
		expect(14, 0, 183)
		for i := range 63 { // and little is forgotten after 64
			end(much)
			expect(14, 0, 182-i)
		}
		end(much)
		expect(16, 0, 117)
		close(much.gate)
		l.Close()
		require.Zero(t, l.Len())
	})
}

// TestSpareAmongMany: with more flows than workers all workers are at work, for a flow each.
func TestSpareAmongMany(t *testing.T) {
	leak.Goroutines(t)
	l := lane.New(16)
	gate, started := make(chan bool), make(chan int, 100)
	flows := make([]lane.Flow, 40)
	for range 2 {
		for i := range flows {
			l.Add(&lane.Item{Run: func() { started <- i; <-gate }, Flow: &flows[i]}, false)
		}
	}
	at := make(map[int]bool)
	for range 16 {
		i := <-started
		require.False(t, at[i], "a second worker for %d", i)
		at[i] = true
	}
	close(gate)
	l.Close()
	require.Zero(t, l.Len())
}
