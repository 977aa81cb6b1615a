package backstore_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

func TestGeometryValidate(t *testing.T) {
	ok := backstore.Geometry{Size: 1 << 20, BlockSize: 512}
	require.NoError(t, ok.Validate())
	tests := []struct {
		name string
		edit func(g *backstore.Geometry)
		want string
	}{
		{"no block size", func(g *backstore.Geometry) { g.BlockSize = 0 }, "block size 0"},
		{"odd block size", func(g *backstore.Geometry) { g.BlockSize = 520 }, "block size 520"},
		{"large block size", func(g *backstore.Geometry) { g.BlockSize = 128 << 10 }, "block size 131072"},
		{"negative size", func(g *backstore.Geometry) { g.Size = -512 }, "size -512"},
		{"odd size", func(g *backstore.Geometry) { g.Size = 1000 }, "size 1000"},
		{"small physical block", func(g *backstore.Geometry) { g.BlockSize, g.PhysBlockSize = 4096, 512 }, "physical block size 512"},
		{"odd physical block", func(g *backstore.Geometry) { g.PhysBlockSize = 1536 }, "physical block size 1536"},
		{"optimal", func(g *backstore.Geometry) { g.OptimalIO = 100 }, "optimal I/O size 100"},
		{"maximal", func(g *backstore.Geometry) { g.MaxIO = -512 }, "maximal I/O size -512"},
		{"discard", func(g *backstore.Geometry) { g.DiscardUnit = 513 }, "discard unit size 513"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := ok
			tt.edit(&g)
			require.ErrorContains(t, g.Validate(), tt.want)
		})
	}
}

func TestGeometryNumbers(t *testing.T) {
	g := backstore.Geometry{Size: 1 << 20, BlockSize: 512, PhysBlockSize: 4096}
	require.Equal(t, uint64(2048), g.Blocks())
	require.Equal(t, 3, g.PhysExponent())
	g.PhysBlockSize = 0
	require.Zero(t, g.PhysExponent())
	require.Zero(t, backstore.Geometry{PhysBlockSize: 4096}.PhysExponent())
	require.Zero(t, backstore.Geometry{Size: 512}.Blocks())
}

func TestCheckRange(t *testing.T) {
	g := backstore.Geometry{Size: 4096, BlockSize: 512}
	tests := []struct {
		off, n int64
		want   error
	}{
		{0, 0, nil},
		{0, 4096, nil},
		{4096, 0, nil},
		{3584, 512, nil},
		{4096, 512, backstore.ErrOutOfRange},
		{3584, 1024, backstore.ErrOutOfRange},
		{-512, 512, backstore.ErrOutOfRange},
		{0, -512, backstore.ErrOutOfRange},
		{math.MaxInt64, math.MaxInt64, backstore.ErrOutOfRange},
		{512, math.MaxInt64 - 511, backstore.ErrOutOfRange},
		{1, 512, backstore.ErrMisaligned},
		{0, 511, backstore.ErrMisaligned},
	}
	for _, tt := range tests {
		require.ErrorIs(t, g.CheckRange(tt.off, tt.n), tt.want, "%+v", tt)
	}
	n, err := g.CheckIO([][]byte{make([]byte, 100), nil, make([]byte, 412)}, 512)
	require.NoError(t, err)
	require.Equal(t, int64(512), n)
	require.ErrorIs(t, g.CheckExtents([]backstore.Extent{{Len: 512}, {Off: 4096, Len: 512}}), backstore.ErrOutOfRange)

	e, err := g.FlushRange(512, 0)
	require.NoError(t, err)
	require.Equal(t, backstore.Extent{Off: 512, Len: 3584}, e)
	e, err = g.FlushRange(512, 1024)
	require.NoError(t, err)
	require.Equal(t, backstore.Extent{Off: 512, Len: 1024}, e)
	_, err = g.FlushRange(8192, 0)
	require.ErrorIs(t, err, backstore.ErrOutOfRange)
}

// FuzzCheckRange: what passes lies inside, whatever the numbers.
func FuzzCheckRange(f *testing.F) {
	f.Add(int64(0), int64(512), int64(1<<20), uint8(0))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), uint8(7))
	f.Add(int64(math.MinInt64), int64(-1), int64(0), uint8(3))
	f.Fuzz(func(t *testing.T, off, n, size int64, shift uint8) {
		g := backstore.Geometry{Size: size, BlockSize: 512 << (shift % 8)}
		if g.Validate() != nil || g.CheckRange(off, n) != nil {
			return
		}
		bs := int64(g.BlockSize)
		if off < 0 || n < 0 || off > size || size-off < n || off%bs != 0 || n%bs != 0 {
			t.Errorf("%d bytes at %d pass in %d", n, off, size)
		}
	})
}
