package osfile

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func vector(sizes ...int) (iov [][]byte) {
	for _, n := range sizes {
		iov = append(iov, make([]byte, n))
	}
	return iov
}

func TestWhole(t *testing.T) {
	many := make([]int, 2000)
	for i := range many {
		many[i] = 256
	}
	odd := append([]int{1}, many...)
	odd[len(odd)-1] = 511
	for _, tt := range []struct {
		c    Cursor
		few  int
		off  int64
		want int
	}{
		{Cursor{Iov: vector(512)}, 8, 0, 1},
		{Cursor{Iov: vector(512, 512, 512)}, 2, 512, 2},
		{Cursor{Iov: vector(512, 100, 412, 512)}, 2, 0, 3},
		{Cursor{Iov: vector(512, 100, 0, 412, 512)}, 2, 0, 4},
		{Cursor{Iov: vector(100, 412, 0, 0)}, 8, 0, 4},
		{Cursor{Iov: vector(many...)}, 8, 0, 8},
		{Cursor{Iov: vector(many...)}, 7, 0, 8},
		{Cursor{Iov: vector(many...)}, maxVec, 0, maxVec},
		{Cursor{Iov: vector(many...)}, 7, 256, 7},
		{Cursor{Iov: vector(odd...)}, 8, 0, 0},
		{Cursor{Iov: vector(400, 512), At: 100}, 8, 1<<40 + 212, 1},
		{Cursor{Iov: vector(400, 112), At: 100}, 8, 1<<40 + 100, 0},
	} {
		require.Equal(t, tt.want, tt.c.whole(tt.few, tt.off, 512), "%d elements at %d", len(tt.c.Iov), tt.off)
	}
}

// TestHugeTransfers: the system cuts at a little less than 2 GiB, which is within a block of 64 KiB.
func TestHugeTransfers(t *testing.T) {
	const blockSize, size = 64 << 10, 64 << 20
	mem := make([]byte, size)
	for _, n := range []int{15, 16, 17, 40} {
		c := Cursor{Iov: slices.Repeat([][]byte{mem}, n)}
		require.Equal(t, min(n, maxBytes/size), c.whole(maxVec, 0, blockSize), "%d elements", n)
		c.Iov = append([][]byte{mem[:blockSize-512]}, c.Iov...)
		require.Equal(t, min(n, maxBytes/size-1)+1, c.whole(maxVec, 512, blockSize), "%d elements", n)
	}
}

// TestShortTransfers: however short the transfers of the system are, each call ends with a block.
func TestShortTransfers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		const start, size = 512 * 7, 512 * 20
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		var iov [][]byte
		for b := data; len(b) > 0; {
			n := min(len(b), []int{0, 1, 100, 412, 512, 1024, 3000}[rng.IntN(7)])
			iov, b = append(iov, b[:n]), b[n:]
		}
		var got []byte
		off := int64(start)
		for c := (Cursor{Iov: iov}); c.More(); {
			require.Equal(t, start+size-off, c.Left())
			n := c.whole(1+rng.IntN(8), off, 512)
			call := c.Left()
			if n > 0 {
				part := Cursor{Iov: c.Iov[:n], At: c.At}
				call = part.Left()
			}
			require.Zero(t, (off+call)%512, "a block is cut")
			k := 1 + rng.Int64N(call)
			moved := make([]byte, k)
			from := c
			from.Gather(moved)
			c.Skip(int(k))
			require.Equal(t, from.Left(), c.Left())
			got, off = append(got, moved...), off+k
		}
		require.True(t, bytes.Equal(data, got))

		back := make([]byte, size)
		c := Cursor{Iov: [][]byte{back[:100], nil, back[100:513], back[513:]}}
		for b := data; len(b) > 0; {
			n := 1 + rng.IntN(len(b))
			c.Scatter(b[:n])
			b = b[n:]
		}
		require.False(t, c.More())
		require.True(t, bytes.Equal(data, back))
	}
}
