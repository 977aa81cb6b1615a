package sgv

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// getAt is Get on a CPU that has shard s.
func getAt(t *testing.T, s *shard, n int) *Buf {
	t.Helper()
	p := s.pool
	ci := p.classes.of(n)
	b := s.get(ci)
	if b != nil {
		p.ready(b, n, true)
		return b
	}
	b, err := p.getMiss(s, ci, n, nil)
	require.NoError(t, err)
	return b
}

func closePool(t *testing.T, p *Pool) {
	t.Helper()
	require.NoError(t, p.Close())
	for _, s := range p.shards {
		require.Zero(t, s.idle)
		require.Zero(t, s.quota)
	}
	require.Equal(t, p.maxCached, p.quota.Load(), "every reservation came back")
}

func TestMissStealsFromOtherShards(t *testing.T) {
	p := NewPool(&Options{Shards: 4})
	defer closePool(t, p)
	require.Len(t, p.shards, 4)
	var held []*Buf
	for range 8 {
		held = append(held, getAt(t, p.shards[3], 4096))
	}
	for _, b := range held {
		b.Release()
	}
	require.EqualValues(t, 8*4096, p.shards[3].idle)
	b := getAt(t, p.shards[0], 100)
	require.Same(t, p.shards[0], b.home)
	require.EqualValues(t, 7*4096, p.shards[3].idle)
	st := p.Stats()
	require.EqualValues(t, 8, st.Misses)
	require.EqualValues(t, 1, st.Hits)
	require.EqualValues(t, 1, st.Classes[0].Stolen)
	b.Release()
	require.EqualValues(t, 4096, p.shards[0].idle, "it stays where it is used")
}

func TestStealTakesTheColdest(t *testing.T) {
	p := NewPool(&Options{Shards: 2})
	defer closePool(t, p)
	a, b := getAt(t, p.shards[0], 1), getAt(t, p.shards[0], 1)
	cold := &a.Segs()[0][0]
	a.Release()
	b.Release()
	c := getAt(t, p.shards[1], 1)
	require.Same(t, cold, &c.Segs()[0][0])
	c.Release()
}

// A reservation that one shard does not use serves another.
func TestQuotaMovesBetweenShards(t *testing.T) {
	p := NewPool(&Options{MaxCached: 256 << 10, Shards: 4, PurgeInterval: -1})
	defer closePool(t, p)
	for round := range 3 {
		for _, s := range p.shards {
			var held []*Buf
			for range 64 {
				held = append(held, getAt(t, s, 4096))
			}
			for _, b := range held {
				b.Release()
			}
			require.EqualValues(t, 256<<10, s.idle)
		}
		st := p.Stats()
		require.EqualValues(t, 64, st.Misses, "round %d", round)
		require.EqualValues(t, 64, st.Idle)
		require.Zero(t, st.Classes[0].Dropped)
	}
}

func TestQuotaBoundsAllShardsTogether(t *testing.T) {
	p := NewPool(&Options{MaxCached: 3<<20 + 5, Shards: 4})
	defer closePool(t, p)
	var held []*Buf
	for _, s := range p.shards {
		for range 2 << 20 / 8192 {
			held = append(held, getAt(t, s, 8192))
		}
	}
	for _, b := range held {
		b.Release()
		var sum int64
		for _, s := range p.shards {
			require.LessOrEqual(t, s.idle, s.quota)
			sum += s.quota
		}
		require.Equal(t, p.maxCached, sum+p.quota.Load())
	}
	require.EqualValues(t, 3<<20, p.Stats().IdleBytes, "full use of the mark")
}

// The ring behaves like a slice.
func TestStack(t *testing.T) {
	var s stack
	var model []*Buf
	seed := uint32(1)
	for i := range 20_000 {
		seed = seed*1664525 + 1013904223
		grow := i/2000%2 == 0
		switch op := seed >> 28; {
		case op < 8 == grow && op != 15:
			b := &Buf{n: i}
			s.push(b)
			model = append(model, b)
		case op == 15:
			s.shrink()
		case len(model) == 0:
			require.Nil(t, s.pop())
			require.Nil(t, s.popCold())
		case op%2 == 0:
			require.Same(t, model[len(model)-1], s.pop())
			model = model[:len(model)-1]
		default:
			require.Same(t, model[0], s.popCold())
			model = model[1:]
		}
		require.Equal(t, len(model), s.n)
		if len(model) > 0 {
			require.Same(t, model[0], s.coldest())
		} else {
			require.Nil(t, s.coldest())
		}
	}
	for s.pop() != nil {
	}
	for _, b := range s.ring {
		require.Nil(t, b, "the ring keeps nothing alive")
	}
	s.shrink()
	require.Nil(t, s.ring)
}
