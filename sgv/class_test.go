package sgv

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClasses(t *testing.T) {
	for _, tc := range []struct {
		name         string
		fixed, align int
		n, min, max  int
	}{
		{name: "default", align: 4096, n: 11, min: 4 << 10, max: 4 << 20},
		{name: "byte aligned", align: 1, n: 11, min: 4 << 10, max: 4 << 20},
		{name: "64 KiB aligned", align: 64 << 10, n: 7, min: 64 << 10, max: 4 << 20},
		{name: "2 MiB aligned", align: 2 << 20, n: 2, min: 2 << 20, max: 4 << 20},
		{name: "fixed", fixed: 5000, align: 4096, n: 1, min: 8192, max: 8192},
		{name: "fixed, tiny", fixed: 1, align: 1, n: 1, min: 1, max: 1},
		{name: "fixed, power of two", fixed: 1 << 20, align: 4096, n: 1, min: 1 << 20, max: 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClasses(tc.fixed, tc.align)
			require.Equal(t, tc.n, c.n)
			require.LessOrEqual(t, c.n, maxClasses)
			require.Equal(t, tc.min, c.size(0))
			require.Equal(t, tc.max, c.size(c.n-1))
			require.Equal(t, 0, c.of(0))
			for i := range c.n {
				size := c.size(i)
				require.Zero(t, size%tc.align)
				require.Equal(t, i, c.of(size), "of(%d)", size)
				if i+1 < c.n {
					require.Equal(t, i+1, c.of(size+1), "of(%d)", size+1)
				} else {
					require.Equal(t, bigClass, c.of(size+1), "of(%d)", size+1)
				}
			}
			require.Equal(t, bigClass, c.of(MaxLen))
		})
	}
}

func TestRounding(t *testing.T) {
	for n := 1; n < 10_000; n++ {
		p := ceilPow2(n)
		require.GreaterOrEqual(t, p, n)
		require.Zero(t, p&(p-1))
		require.Less(t, p/2, n)
		r := roundUp(n, 512)
		require.Zero(t, r%512)
		require.GreaterOrEqual(t, r, n)
		require.Less(t, r-n, 512)
	}
	require.Equal(t, 1<<30, ceilPow2(1<<30))
	require.Equal(t, 8, pow2Option(5, 1, 1, 64))
	require.Equal(t, 64, pow2Option(1<<30, 1, 1, 64))
	require.Equal(t, 16, pow2Option(0, 16, 1, 64))
	require.Equal(t, 4, pow2Option(-3, 1, 4, 64))
}
