package sgv

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCarve takes segments until memory is used up, then from the heap, and gives them back.
func TestCarve(t *testing.T) {
	all := make([]byte, 4*chunkSize+1000) // three or four whole chunks
	a := Carve(all)
	inside := func(seg []byte) bool {
		const high = 1 << (bits.UintSize - 2) // so that what is left is the address, or all but its first bits
		p := misaligned(seg, high) - misaligned(all, high)
		return p >= 0 && p < len(all)
	}
	var held [][]byte
	count := 0
	for i := range 2500 {
		seg, err := a.Alloc(4096, 4096)
		require.NoError(t, err)
		require.Len(t, seg, 4096)
		require.Equal(t, 4096, cap(seg))
		require.Zero(t, misaligned(seg, 4096))
		if inside(seg) {
			count++
		}
		seg[0], seg[1] = byte(i), byte(i>>8)
		held = append(held, seg)
	}
	whole := (len(all) - (chunkSize-misaligned(all, chunkSize))%chunkSize) / chunkSize
	require.Equal(t, whole*chunkSize/4096, count)
	for i, seg := range held {
		require.Equal(t, []byte{byte(i), byte(i >> 8)}, seg[:2], "segments do not overlap")
	}
	for _, n := range []int{1 << 20, 3 << 20} { // no room for the one, and never for the other
		seg, err := a.Alloc(n, 4096)
		require.NoError(t, err)
		require.Len(t, seg, n)
		require.False(t, inside(seg))
		a.Free(seg)
	}
	for _, seg := range slices.Backward(held) {
		a.Free(seg)
	}
	for range whole * 2 { // all of it serves other sizes again
		seg, err := a.Alloc(1<<20, 4096)
		require.NoError(t, err)
		require.True(t, inside(seg))
	}
	seg, err := Carve(make([]byte, 100)).Alloc(4096, 4096)
	require.NoError(t, err)
	require.Len(t, seg, 4096)
}
