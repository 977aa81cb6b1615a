package task

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/sgv"
)

// TestLoan: whose memory Data is changes with Data, and what was there before is let go of.
func TestLoan(t *testing.T) {
	pool := sgv.NewPool(nil)
	s, _ := newState()
	given := 0
	wrap := func() *sgv.Buf {
		b, err := pool.Wrap([][]byte{make([]byte, 512)}, func() { given++ })
		require.NoError(t, err)
		return b
	}
	require.Equal(t, Own, s.Loan())
	require.False(t, s.Fillable(), "nothing is there")
	require.False(t, s.TakeBack())

	b, err := pool.Get(512, nil)
	require.NoError(t, err)
	s.Put(b, Own)
	require.True(t, s.Fillable())
	require.False(t, s.TakeBack(), "a buffer is not lent")
	require.Same(t, b, s.Data)

	for i, l := range []Loan{Mapped, Lent, Mapped} {
		s.Put(wrap(), l)
		require.Equal(t, l, s.Loan())
		require.False(t, s.Fillable())
		require.Equal(t, i, given)
	}
	require.True(t, s.TakeBack())
	require.Equal(t, 3, given)
	require.Nil(t, s.Data)
	require.Equal(t, 512, s.Room)
	require.Equal(t, Own, s.Loan())

	s.Put(wrap(), Mapped)
	s.Data.Release()
	s.Recycle()
	require.Equal(t, Own, s.Loan())
	require.NoError(t, pool.Close())
}
