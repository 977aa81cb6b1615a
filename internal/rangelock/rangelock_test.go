package rangelock

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestConflicts(t *testing.T) {
	const shared, exclusive = false, true
	tests := []struct {
		name     string
		held     bool
		hs, hn   uint64
		want     bool
		ws, wn   uint64
		conflict bool
	}{
		{"shared shared", shared, 0, 10, shared, 0, 10, false},
		{"shared exclusive", shared, 0, 10, exclusive, 9, 1, true},
		{"exclusive shared", exclusive, 5, 5, shared, 0, 6, true},
		{"exclusive exclusive", exclusive, 0, 10, exclusive, 0, 10, true},
		{"adjacent after", exclusive, 0, 10, exclusive, 10, 1, false},
		{"adjacent before", exclusive, 10, 10, shared, 0, 10, false},
		{"empty inside", exclusive, 0, 10, exclusive, 5, 0, false},
		{"empty held", exclusive, 5, 0, exclusive, 0, 10, false},
		{"end of the address space", shared, math.MaxUint64 - 1, 100, exclusive, math.MaxUint64 - 1, 1, true},
		{"inner", exclusive, 0, 100, shared, 50, 1, true},
		{"outer", exclusive, 50, 1, exclusive, 0, 100, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l Lock
			try := func(excl bool, start, n uint64) (Guard, bool) {
				if excl {
					return l.TryLockExclusive(start, n)
				}
				return l.TryLockShared(start, n)
			}
			held, ok := try(tt.held, tt.hs, tt.hn)
			require.True(t, ok)
			g, ok := try(tt.want, tt.ws, tt.wn)
			require.Equal(t, !tt.conflict, ok)
			if ok {
				g.Unlock()
			}
			held.Unlock()
			g, ok = try(tt.want, tt.ws, tt.wn)
			require.True(t, ok, "after the unlock")
			g.Unlock()
			requireIdle(t, &l)
		})
	}
}

// TestOrder: those that came later wait for those that came before, if they conflict.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lock
		ctx := t.Context()
		var mu sync.Mutex
		var order []string
		start := func(name string, lock func(context.Context, uint64, uint64) (Guard, error), s, n uint64) (release func()) {
			ch := make(chan struct{})
			go func() {
				g, err := lock(ctx, s, n)
				if err != nil {
					panic(err)
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				<-ch
				g.Unlock()
			}()
			synctest.Wait()
			return func() { close(ch); synctest.Wait() }
		}
		seen := func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), order...) }

		w1 := start("w1", l.LockShared, 0, 10)
		w2 := start("w2", l.LockShared, 5, 10)
		c1 := start("c1", l.LockExclusive, 8, 4)
		w3 := start("w3", l.LockShared, 11, 2) // waits for c1, which waits for w1 and w2
		w4 := start("w4", l.LockShared, 0, 2)  // meets no exclusive one
		c2 := start("c2", l.LockExclusive, 12, 1)
		require.Equal(t, []string{"w1", "w2", "w4"}, seen())
		_, ok := l.TryLockShared(9, 1)
		require.False(t, ok, "must not pass a waiting exclusive entry")
		w1()
		require.Equal(t, []string{"w1", "w2", "w4"}, seen())
		w2()
		require.Equal(t, []string{"w1", "w2", "w4", "c1"}, seen())
		c1()
		require.Equal(t, []string{"w1", "w2", "w4", "c1", "w3"}, seen())
		w4()
		require.Equal(t, []string{"w1", "w2", "w4", "c1", "w3"}, seen())
		w3()
		require.Equal(t, []string{"w1", "w2", "w4", "c1", "w3", "c2"}, seen())
		c2()
		requireIdle(t, &l)
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lock
		held, err := l.LockShared(t.Context(), 0, 4)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		go func() { _, err := l.LockExclusive(ctx, 0, 4); errs <- err }()
		synctest.Wait()
		behind := make(chan Guard, 1)
		go func() { g, _ := l.LockShared(t.Context(), 0, 4); behind <- g }()
		synctest.Wait()
		require.Empty(t, behind)
		cancel()
		require.ErrorIs(t, <-errs, context.Canceled)
		(<-behind).Unlock() // the one behind it goes on, next to the first holder
		held.Unlock()
		requireIdle(t, &l)
	})
}

// TestManyShared has more shared holders than slots.
func TestManyShared(t *testing.T) {
	var l Lock
	var guards []Guard
	for range 4 * slots {
		g, ok := l.TryLockShared(7, 1)
		require.True(t, ok)
		guards = append(guards, g)
	}
	for len(guards) > 0 {
		_, ok := l.TryLockExclusive(0, 8)
		require.False(t, ok)
		guards[0].Unlock()
		guards = guards[1:]
	}
	g, ok := l.TryLockExclusive(0, 8)
	require.True(t, ok)
	g.Unlock()
	requireIdle(t, &l)
}

func TestSecondUnlockPanics(t *testing.T) {
	var l Lock
	for _, try := range []func(uint64, uint64) (Guard, bool){l.TryLockShared, l.TryLockExclusive} {
		g, ok := try(0, 1)
		require.True(t, ok)
		g.Unlock()
		require.Panics(t, g.Unlock)
		for range 2 * slots { // also when the place is in use again
			again, ok := try(0, 1)
			require.True(t, ok)
			require.Panics(t, g.Unlock)
			again.Unlock()
		}
	}
	Guard{}.Unlock()
}

// TestExclusion counts holders per block while many goroutines lock random ranges.
func TestExclusion(t *testing.T) {
	const blocks, workers, rounds = 24, 8, 3000
	var l Lock
	var sharers, owners [blocks]atomic.Int32
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for w := range workers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range rounds {
				s := rng.Uint64N(blocks)
				n := 1 + rng.Uint64N(blocks-s)
				excl := rng.IntN(4) == 0
				ctx, cancel := context.WithCancel(context.Background())
				if rng.IntN(8) == 0 {
					cancel()
				}
				var g Guard
				var err error
				if excl {
					g, err = l.LockExclusive(ctx, s, n)
				} else {
					g, err = l.LockShared(ctx, s, n)
				}
				cancel()
				if err != nil {
					continue
				}
				for b := s; b < s+n; b++ {
					if excl {
						if owners[b].Add(1) != 1 || sharers[b].Load() != 0 {
							t.Errorf("block %d: an exclusive holder is not alone", b)
						}
					} else if sharers[b].Add(1); owners[b].Load() != 0 {
						t.Errorf("block %d: shared beside an exclusive holder", b)
					}
				}
				for b := s; b < s+n; b++ {
					if excl {
						owners[b].Add(-1)
					} else {
						sharers[b].Add(-1)
					}
				}
				g.Unlock()
			}
		})
	}
	wg.Wait()
	requireIdle(t, &l)
}

func TestAllocs(t *testing.T) {
	var l Lock
	ctx := context.Background()
	for name, lock := range map[string]func(context.Context, uint64, uint64) (Guard, error){
		"shared": l.LockShared, "exclusive": l.LockExclusive,
	} {
		allocs := testing.AllocsPerRun(1000, func() {
			g, err := lock(ctx, 100, 8)
			if err != nil {
				panic(err)
			}
			g.Unlock()
		})
		require.Zero(t, allocs, name)
	}
}

func BenchmarkShared(b *testing.B) {
	var l Lock
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if g, ok := l.TryLockShared(1000, 8); ok {
				g.Unlock()
			}
		}
	})
}

func requireIdle(t *testing.T, l *Lock) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Nil(t, l.first)
	require.Nil(t, l.last)
	require.Zero(t, l.exclusive.Load())
	if list := l.slots.Load(); list != nil {
		for i := range list {
			require.Zero(t, list[i].state.Load()&1)
		}
	}
}
