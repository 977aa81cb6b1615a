package hist_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goscst/goscst/internal/hist"
	"github.com/stretchr/testify/require"
)

func TestBuckets(t *testing.T) {
	for _, tc := range []struct {
		v      int64
		bucket int
	}{
		{math.MinInt64, 0}, {-1, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 3},
		{1023, 10}, {1024, 11}, {1 << 62, 63}, {math.MaxInt64, 63},
	} {
		var h hist.Hist
		h.Record(tc.v)
		require.EqualValues(t, 1, h.Counts[tc.bucket], "value %d", tc.v)
		require.EqualValues(t, 1, h.Count())
		require.Equal(t, max(tc.v, 0), h.Max)
		require.EqualValues(t, max(tc.v, 0), h.Sum)
	}
}

func TestBoundsCoverAllValues(t *testing.T) {
	_, end := hist.Bounds(0)
	for i := 1; i < hist.Buckets; i++ {
		lo, hi := hist.Bounds(i)
		require.Equal(t, end, lo)
		require.Greater(t, hi, lo)
		end = hi
	}
	require.Equal(t, int64(math.MaxInt64), end)
}

func TestEmpty(t *testing.T) {
	var s hist.Hist
	require.Zero(t, s.Count())
	require.Zero(t, s.Mean())
	require.Zero(t, s.Quantile(0.5))
	require.Equal(t, "n=0 mean=0s p50=0s p99=0s max=0s", s.String())
}

// A quantile is never off by more than its bucket: a factor of two.
func TestQuantile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h hist.Hist
		var all []int64
		for range 1 + rng.IntN(500) {
			v := int64(math.Exp(rng.Float64() * 41))
			all = append(all, v)
			h.Record(v)
		}
		slices.Sort(all)
		last := int64(0)
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1} {
			rank := min(max(int(math.Ceil(q*float64(len(all))))-1, 0), len(all)-1)
			want, got := all[rank], h.Quantile(q)
			require.GreaterOrEqual(t, 2*got, want, "q=%v", q)
			require.LessOrEqual(t, got, 2*want, "q=%v", q)
			require.GreaterOrEqual(t, got, last, "quantiles grow")
			last = got
		}
		require.Equal(t, all[len(all)-1], h.Quantile(1))
	}
}

func TestQuantileExtremes(t *testing.T) {
	var h hist.Hist
	for range 3 {
		h.Record(math.MaxInt64)
	}
	for _, q := range []float64{-1, 0, 0.999999, 1, 2} {
		got := h.Quantile(q)
		require.GreaterOrEqual(t, got, int64(1)<<62)
	}
	require.Zero(t, h.Quantile(math.NaN()))

	var zero hist.Hist
	zero.Record(0)
	require.Zero(t, zero.Quantile(0.5))
}

func TestMergeAndSub(t *testing.T) {
	var a, b hist.Hist
	a.Record(10)
	b.Record(1000)
	b.Record(5)
	sa, sb := a, b
	sum := sa
	sum.Merge(&sb)
	require.EqualValues(t, 3, sum.Count())
	require.EqualValues(t, 1015, sum.Sum)
	require.EqualValues(t, 1000, sum.Max)
	require.InDelta(t, 1015.0/3, sum.Mean(), 1e-9)

	a.Record(3)
	later := a
	d := later.Sub(&sa)
	require.EqualValues(t, 1, d.Count())
	require.EqualValues(t, 3, d.Sum)
	require.EqualValues(t, 3, d.Max, "bounded by the bucket, not by the older maximum")

	a.Record(math.MaxInt64)
	top := a
	d = top.Sub(&later)
	require.Equal(t, int64(math.MaxInt64), d.Max)

}

func TestRecordAllocatesNothing(t *testing.T) {
	var h hist.Hist
	require.Zero(t, testing.AllocsPerRun(1000, func() { h.Record(int64(time.Second)) }))
}

func BenchmarkRecord(b *testing.B) {
	var h hist.Hist
	b.ReportAllocs()
	for i := range b.N {
		h.Record(int64(i))
	}
}
