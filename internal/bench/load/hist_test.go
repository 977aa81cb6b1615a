package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucketIsClose(t *testing.T) {
	last := -1
	for _, ns := range []uint64{0, 1, 2, 63, 64, 127, 128, 129, 130, 255, 256, 1000, 4095, 4096, 123456, 1e9, 1<<40 + 12345, 1<<63 - 1} {
		i := bucket(ns)
		require.Less(t, i, buckets)
		require.GreaterOrEqual(t, i, last, "%d ns", ns)
		last = i
		require.InEpsilon(t, float64(ns)+1, float64(middle(i))+1, 0.016, "%d ns", ns)
		require.Equal(t, i, bucket(uint64(middle(i))))
	}
}

func TestBucketsHaveNoGap(t *testing.T) {
	for i := range buckets {
		require.Equal(t, i, bucket(uint64(middle(i))))
	}
}

func TestQuantile(t *testing.T) {
	var a, b, empty hist
	require.Zero(t, empty.quantile(0.5))
	for i := 1; i <= 60; i++ {
		a.add(time.Duration(i), 1)
	}
	b.add(61, 40)
	a.merge(&b)
	require.EqualValues(t, 100, a.total)
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {0.01, 1}, {0.5, 50}, {0.6, 60}, {0.61, 61}, {0.99, 61}, {1, 61}} {
		require.Equal(t, c.want, a.quantile(c.q), "%v", c.q)
	}
	a.add(-time.Second, 1) // a clock that goes back does not exist, and does no harm
	require.EqualValues(t, 1, a.counts[0])
}

func TestPattern(t *testing.T) {
	b := make([]byte, 4096)
	fill(b, 8192)
	require.True(t, holds(b, 8192))
	require.False(t, holds(b, 8200))
	require.True(t, holds(b[512:1024], 8192+512))
	b[4095]++
	require.False(t, holds(b, 8192))
	require.True(t, holds(b[:4088], 8192))
}
