package sgv_test

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

func TestHitReusesTheWarmestBuffer(t *testing.T) {
	p := newPool(t, &sgv.Options{Shards: 1})
	a, b := get(t, p, 4096), get(t, p, 4096)
	first, second := address(a), address(b)
	a.Release()
	b.Release()
	c := get(t, p, 1)
	require.Same(t, second, address(c), "the one released last")
	d := get(t, p, 4096)
	require.Same(t, first, address(d))
	c.Release()
	d.Release()
	st := p.Stats()
	require.EqualValues(t, 2, st.Hits)
	require.EqualValues(t, 2, st.Misses)
}

func TestStats(t *testing.T) {
	p := newPool(t, &sgv.Options{Name: "data", Shards: 2})
	a, b, big := get(t, p, 36), get(t, p, 5000), get(t, p, 9<<20)
	get(t, p, 100).Release()
	get(t, p, 100).Release()
	st := p.Stats()
	require.Equal(t, "data", st.Name)
	require.EqualValues(t, 256<<20, st.MaxCached)
	require.EqualValues(t, 3, st.Outstanding)
	require.EqualValues(t, 4<<10+8<<10+9<<20, st.OutstandingBytes)
	require.EqualValues(t, 1, st.Idle)
	require.EqualValues(t, 4<<10, st.IdleBytes)
	require.EqualValues(t, 1, st.Hits)
	require.EqualValues(t, 4, st.Misses)
	require.Len(t, st.Classes, 12)
	require.Equal(t, sgv.ClassStats{
		Size: 4 << 10, Hits: 1, Misses: 2, Stolen: st.Classes[0].Stolen,
		Idle: 1, IdleBytes: 4 << 10, Outstanding: 1, OutstandingBytes: 4 << 10,
	}, st.Classes[0])
	require.Equal(t, sgv.ClassStats{Misses: 1, Outstanding: 1, OutstandingBytes: 9 << 20}, st.Classes[11])
	require.Equal(t, 3, p.Outstanding())
	for _, x := range []*sgv.Buf{a, b, big} {
		x.Release()
	}
	require.Zero(t, p.Outstanding())
	require.EqualValues(t, 3, p.Stats().Idle, "the big one is not cached")
}

func TestFixedSize(t *testing.T) {
	p := newPool(t, &sgv.Options{FixedSize: 100_000, Shards: 1})
	require.EqualValues(t, 102_400, p.Cost(1))
	require.EqualValues(t, 102_400, p.Cost(102_400))
	require.EqualValues(t, 106_496, p.Cost(102_401))
	a := get(t, p, 1)
	at := address(a)
	a.Release()
	b := get(t, p, 100_000)
	require.Same(t, at, address(b))
	b.Release()
	big := get(t, p, 1<<20)
	require.Equal(t, 1<<20, big.Len())
	big.Release()
	require.EqualValues(t, 1, p.Stats().Idle)
}

func TestMaxCached(t *testing.T) {
	mem := &counter{}
	p := newPool(t, &sgv.Options{MaxCached: 10 << 12, Allocator: mem, Shards: 2})
	var held []*sgv.Buf
	for range 30 {
		held = append(held, get(t, p, 4096))
	}
	for _, b := range held {
		b.Release()
		require.LessOrEqual(t, p.Stats().IdleBytes, int64(10<<12))
	}
	require.EqualValues(t, 10, p.Stats().Idle)
	require.EqualValues(t, 20, p.Stats().Classes[0].Dropped)
	require.Equal(t, 10<<12, mem.held())
	get(t, p, 1<<20).Release()
	require.EqualValues(t, 10, p.Stats().Idle, "what exceeds the mark alone is not kept")
}

func TestNothingCached(t *testing.T) {
	mem := &counter{}
	p := newPool(t, &sgv.Options{MaxCached: -1, Allocator: mem})
	get(t, p, 4096).Release()
	require.Zero(t, p.Stats().Idle)
	require.Zero(t, p.Stats().MaxCached)
	require.Zero(t, mem.held())
}

// When the cache is full of buffers that are not wanted any more, those that are wanted replace them.
func TestFullCacheFollowsWorkload(t *testing.T) {
	p := newPool(t, &sgv.Options{MaxCached: 1 << 20, PurgeInterval: -1, Shards: 1})
	get(t, p, 1<<20).Release()
	require.EqualValues(t, 1<<20, p.Stats().IdleBytes)
	get(t, p, 4096).Release()
	get(t, p, 4096).Release()
	st := p.Stats()
	require.EqualValues(t, 1, st.Hits)
	require.EqualValues(t, 4096, st.IdleBytes)
	require.EqualValues(t, 1, st.Classes[8].Dropped)
}

func TestZero(t *testing.T) {
	for _, alloc := range []sgv.Allocator{nil, &counter{}, sgv.HugePages()} {
		p := newPool(t, &sgv.Options{Zero: true, Shards: 1, Allocator: alloc})
		for _, n := range []int{100, 4096, 70_000, 5 << 20} {
			for range 2 {
				b := get(t, p, n)
				for _, seg := range b.Segs() {
					require.True(t, bytes.Equal(seg, make([]byte, len(seg))))
					for i := range seg {
						seg[i] = 0xA5
					}
				}
				b.Release()
			}
		}
	}
}

func TestFlush(t *testing.T) {
	mem := &counter{}
	p := newPool(t, &sgv.Options{Allocator: mem})
	held := get(t, p, 4096)
	get(t, p, 5000).Release()
	get(t, p, 1<<20).Release()
	p.Flush()
	require.Zero(t, p.Stats().Idle)
	require.Equal(t, 4096, mem.held())
	held.Release()
	require.EqualValues(t, 1, p.Stats().Idle)
}

func TestClose(t *testing.T) {
	mem := &counter{}
	p := sgv.NewPool(&sgv.Options{Name: "mine", Allocator: mem})
	a, big := get(t, p, 4096), get(t, p, 5<<20)
	get(t, p, 8192).Release()
	err := p.Close()
	require.ErrorIs(t, err, sgv.ErrOutstanding)
	require.ErrorContains(t, err, `sgv: buffers still outstanding: 2 of 5246976 bytes in pool "mine"`)
	require.Equal(t, 4096+5<<20, mem.held())

	lim := sgv.NewLimit(0, nil)
	for _, n := range []int{1, 5 << 20} {
		_, err = p.Get(n, lim)
		require.ErrorIs(t, err, sgv.ErrClosed)
	}
	_, err = p.Wrap([][]byte{{1}}, nil)
	require.ErrorIs(t, err, sgv.ErrClosed)
	require.Zero(t, lim.Used())

	a.Release()
	big.Release()
	require.Zero(t, mem.held(), "released late, freed at once")
	require.NoError(t, p.Close())
}

func TestAllocatorFails(t *testing.T) {
	mem := &counter{}
	p := newPool(t, &sgv.Options{Allocator: mem, SegmentSize: 4096})
	lim := sgv.NewLimit(0, nil)
	get(t, p, 8192).Release()
	mem.fail(errExhausted)
	for _, n := range []int{4096, 5 << 20} {
		_, err := p.Get(n, lim)
		require.ErrorIs(t, err, sgv.ErrAlloc)
		require.ErrorIs(t, err, errExhausted)
	}
	require.Zero(t, lim.Used())
	require.Zero(t, mem.held(), "idle memory was given back first")
	require.Zero(t, p.Outstanding())
	mem.fail(nil)
	get(t, p, 4096).Release()
}

// flaky fails its k-th call.
type flaky struct {
	counter
	k int
}

func (f *flaky) Alloc(n, align int) ([]byte, error) {
	if f.k--; f.k == 0 {
		return nil, errExhausted
	}
	return f.counter.Alloc(n, align)
}

// A failure in the middle frees the segments before it, and the second attempt succeeds.
func TestAllocatorFailsOnce(t *testing.T) {
	for k := 1; k <= 5; k++ {
		mem := &flaky{k: k}
		p := newPool(t, &sgv.Options{Allocator: mem, SegmentSize: 4096})
		b := get(t, p, 4*4096)
		require.Equal(t, 4*4096, mem.held(), "call %d fails", k)
		b.Release()
		p.Flush()
		require.Zero(t, mem.held())
	}
}

func TestAllocatorMisbehaves(t *testing.T) {
	for name, bad := range map[string]func() []byte{
		"short":      func() []byte { return make([]byte, 10) },
		"empty":      func() []byte { return nil },
		"misaligned": func() []byte { return make([]byte, 8192)[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &sgv.Options{Allocator: &counter{bad: bad}})
			_, err := p.Get(4096, nil)
			require.ErrorIs(t, err, sgv.ErrAlloc)
			require.Zero(t, p.Outstanding())
		})
	}
}

func TestAllocatorPanics(t *testing.T) {
	p := newPool(t, &sgv.Options{Allocator: &counter{bad: func() []byte { panic("driver bug") }}})
	lim := sgv.NewLimit(0, nil)
	for _, n := range []int{1, 5 << 20} {
		require.PanicsWithValue(t, "driver bug", func() { _, _ = p.Get(n, lim) })
	}
	require.Zero(t, lim.Used())
	require.Zero(t, p.Outstanding())
}

func TestGetBadLength(t *testing.T) {
	p := newPool(t, &sgv.Options{Allocator: &counter{err: errExhausted}})
	lim := sgv.NewLimit(1<<30, nil)
	_, err := p.Get(-1, lim)
	require.Error(t, err)
	for _, n := range []int{sgv.MaxLen + 1, math.MaxInt - 5000, math.MaxInt} {
		for _, l := range []*sgv.Limit{nil, lim} {
			_, err = p.Get(n, l)
			require.ErrorIs(t, err, sgv.ErrTooLarge)
		}
	}
	_, err = p.Get(sgv.MaxLen, lim)
	require.ErrorIs(t, err, errExhausted)
	require.EqualValues(t, sgv.MaxLen, p.Cost(math.MaxInt))
	require.EqualValues(t, 4096, p.Cost(-1))
	require.Zero(t, lim.Used())
}

func TestOptionsAreClamped(t *testing.T) {
	p := newPool(t, &sgv.Options{
		FixedSize: -1, SegmentSize: -1, Align: -7, Shards: 1 << 30, PurgeInterval: 1,
	})
	b := get(t, p, 100_000)
	require.Len(t, b.Segs(), 2)
	b.Release()
	p = newPool(t, &sgv.Options{SegmentSize: math.MaxInt, Align: math.MaxInt, Allocator: sgv.HugePages()})
	require.EqualValues(t, 2<<20, p.Cost(1))
	b = get(t, p, 3<<20)
	require.Len(t, b.Segs(), 1)
	b.Release()
}

// Garbage collections empty no cache: buffers are not in a sync.Pool.
func TestGarbageCollectionKeepsBuffers(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 4096)
	b.Release()
	for range 4 {
		runtime.GC()
		get(t, p, 4096).Release()
	}
	require.EqualValues(t, 1, p.Stats().Misses)
}
