package sgv_test

import (
	"bytes"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

func TestWrap(t *testing.T) {
	p := newPool(t, &sgv.Options{Shards: 1})
	for range 3 {
		mem := []byte("abcdefghijkl")
		segs := [][]byte{mem[0:3], nil, mem[3:4], mem[4:10], {}}
		released := 0
		b, err := p.Wrap(segs, func() { released++ })
		require.NoError(t, err)
		segs[0] = nil // the headers were copied
		require.Equal(t, 10, b.Len())
		require.Equal(t, "abcdefghij", string(bytes.Join(b.Segs(), nil)))
		for _, seg := range b.Segs() {
			require.Len(t, seg, cap(seg))
		}
		require.Equal(t, "defg", string(bytes.Join(b.Append(nil, 3, 4), nil)))
		n, err := b.WriteAt([]byte("XYZ"), 2)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		got := make([]byte, 4)
		_, err = b.ReadAt(got, 2)
		require.NoError(t, err)
		require.Equal(t, "XYZf", string(got))
		require.Equal(t, "abXYZfghijkl", string(mem))

		require.Equal(t, 1, p.Outstanding())
		require.EqualValues(t, 1, p.Stats().Wrapped)
		b.Retain().Release()
		require.Zero(t, released)
		b.Release()
		require.Equal(t, 1, released)
		require.Zero(t, p.Outstanding())
	}
	require.Zero(t, p.Stats().Idle, "headers are no buffers")
}

func TestWrapNothing(t *testing.T) {
	p := newPool(t, nil)
	b, err := p.Wrap(nil, nil)
	require.NoError(t, err)
	require.Zero(t, b.Len())
	require.Empty(t, b.Segs())
	b.Release()
}

// The lender may use the pool when it gets its memory back.
func TestWrapReleaseMayUseThePool(t *testing.T) {
	p := newPool(t, &sgv.Options{Shards: 1})
	inner := get(t, p, 4096)
	b, err := p.Wrap(inner.Segs(), func() {
		inner.Release()
		get(t, p, 4096).Release()
	})
	require.NoError(t, err)
	b.Release()
	require.Zero(t, p.Outstanding())
}
