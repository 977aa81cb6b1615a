package sgv_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

func TestLimitRefusesAndUndoes(t *testing.T) {
	p := newPool(t, nil)
	engine := sgv.NewLimit(16<<10, nil)
	s1 := sgv.NewLimit(8<<10, engine)
	s2 := sgv.NewLimit(0, engine)
	require.Same(t, engine, s1.Parent())

	a, err := p.Get(1, s1) // charged as 4 KiB
	require.NoError(t, err)
	require.EqualValues(t, 4096, s1.Used())
	require.EqualValues(t, 4096, engine.Used())

	_, err = p.Get(8192, s1)
	require.ErrorIs(t, err, sgv.ErrLimit, "the session is full")
	require.EqualValues(t, 4096, s1.Used())
	require.EqualValues(t, 4096, engine.Used())
	require.EqualValues(t, 1, s1.Refused())
	require.Zero(t, engine.Refused())

	b, err := p.Get(8192, s2)
	require.NoError(t, err)
	_, err = p.Get(8192, s2)
	require.ErrorIs(t, err, sgv.ErrLimit, "the engine is full")
	require.EqualValues(t, 8192, s2.Used(), "what the parent refused is undone")
	require.EqualValues(t, 12<<10, engine.Used())
	require.EqualValues(t, 1, engine.Refused())

	b.Release()
	b, err = p.Get(8192, s2)
	require.NoError(t, err, "room again")
	b.Release()
	a.Release()
	require.Zero(t, s1.Used())
	require.Zero(t, s2.Used())
	require.Zero(t, engine.Used())
	require.EqualValues(t, 2, p.Stats().Refused)
}

func TestLimitTooLarge(t *testing.T) {
	p := newPool(t, nil)
	engine := sgv.NewLimit(8<<10, nil)
	session := sgv.NewLimit(1<<20, engine)
	for _, n := range []int{8<<10 + 1, 5 << 20} {
		_, err := p.Get(n, session)
		require.ErrorIs(t, err, sgv.ErrTooLarge)
		require.NotErrorIs(t, err, sgv.ErrLimit)
		require.Zero(t, session.Used())
	}
	// The session has no room now, but waiting for it would be in vain.
	require.NoError(t, sgv.NewLimit(0, nil).Acquire(1<<40))
	small := sgv.NewLimit(64<<10, engine)
	require.NoError(t, small.Acquire(4<<10))
	_, err := p.Get(64<<10, small)
	require.ErrorIs(t, err, sgv.ErrTooLarge)
	small.Release(4 << 10)
}

func TestLimitOfBigBuffers(t *testing.T) {
	p := newPool(t, nil)
	const n = 4<<20 + 1
	require.EqualValues(t, 4<<20+4096, p.Cost(n))
	lim := sgv.NewLimit(2*p.Cost(n)-1, nil)
	b, err := p.Get(n, lim)
	require.NoError(t, err)
	require.Equal(t, p.Cost(n), lim.Used())
	_, err = p.Get(n, lim)
	require.ErrorIs(t, err, sgv.ErrLimit)
	b.Release()
	require.Zero(t, lim.Used())
}

func TestSetMax(t *testing.T) {
	lim := sgv.NewLimit(100, nil)
	require.NoError(t, lim.Acquire(80))
	lim.SetMax(50)
	require.EqualValues(t, 50, lim.Max())
	require.EqualValues(t, 80, lim.Used())
	require.ErrorIs(t, lim.Acquire(0+1), sgv.ErrLimit)
	lim.Release(40)
	require.NoError(t, lim.Acquire(10))
	lim.SetMax(-1)
	require.NoError(t, lim.Acquire(1<<50))
	lim.Release(1<<50 + 50)
	require.Zero(t, lim.Used())
}

func TestLimitMisuse(t *testing.T) {
	var zero sgv.Limit
	require.NoError(t, zero.Acquire(7), "the zero value counts")
	require.EqualValues(t, 7, zero.Used())
	zero.Release(7)
	require.Panics(t, func() { zero.Release(1) })
	require.Panics(t, func() { _ = zero.Acquire(-1) })
	require.Panics(t, func() { zero.Release(-1) })
}

// No order of events lets a limit exceed its bound, or lose a byte.
func TestLimitConcurrent(t *testing.T) {
	p := newPool(t, nil)
	engine := sgv.NewLimit(96<<10, nil)
	groups := []*sgv.Limit{sgv.NewLimit(64<<10, engine), sgv.NewLimit(0, engine)}
	var refused, got atomic.Int64
	stop := make(chan struct{})
	var watch, wg sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, l := range []*sgv.Limit{engine, groups[0]} {
				if u := l.Used(); u < 0 || u > l.Max() {
					t.Errorf("used %d of %d", u, l.Max())
					return
				}
			}
		}
	})
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			session := sgv.NewLimit(32<<10, groups[w%2])
			var held []*sgv.Buf
			for range 2000 {
				if b, err := p.Get(rng.IntN(32<<10), session); err == nil {
					held = append(held, b)
					got.Add(1)
				} else {
					refused.Add(1)
				}
				for len(held) > rng.IntN(4) {
					held[0].Release()
					held = held[1:]
				}
			}
			for _, b := range held {
				b.Release()
			}
			if session.Used() != 0 {
				t.Errorf("session: %d bytes left", session.Used())
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	require.Zero(t, engine.Used())
	require.Zero(t, groups[0].Used())
	require.Zero(t, groups[1].Used())
	require.EqualValues(t, 8*2000, got.Load()+refused.Load())
	require.Equal(t, uint64(refused.Load()), p.Stats().Refused)
}
