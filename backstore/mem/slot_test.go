package mem

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// TestSlot plays the life of a page through its slot.
func TestSlot(t *testing.T) {
	var s slot
	id, again := s.lend()
	require.Zero(t, id)
	require.False(t, again, "an empty slot has nothing to wait for")

	require.Zero(t, s.replace(7, true))
	_, again = s.lend()
	require.True(t, again, "a writer is at it")
	s.settle()
	for range 3 {
		id, again = s.lend()
		require.EqualValues(t, 7, id)
		require.False(t, again)
	}
	require.False(t, s.seize(7), "lent")
	require.True(t, s.giveBack(7))

	// The page loses its slot with two leases.
	var o owed
	require.EqualValues(t, 2, s.replace(8, false))
	require.EqualValues(t, 8, s.page())
	require.False(t, s.giveBack(7))
	require.False(t, o.add(-1), "one lease ends before they are added")
	require.False(t, o.add(2))
	require.False(t, s.giveBack(7))
	require.True(t, o.add(-1), "the last one")
	require.True(t, s.seize(8), "its leases are its own")
	s.settle()

	s.word.Store(8<<32 | maxLeases)
	id, again = s.lend()
	require.Zero(t, id)
	require.True(t, again, "the count is full")
}

// TestLendIsRefused: what cannot be lent is refused, and never taken for zeroes.
func TestLendIsRefused(t *testing.T) {
	s := newStore(t, 4*pageSize, nil)
	write(t, s, 0, 4*pageSize, 1)
	slot := s.leafOf(pageSize).slot(pageSize)
	w := slot.word.Load()
	slot.word.Store(w | maxLeases)
	dst := make([][]byte, 0, 4)
	iov, release, ok := s.Lend(0, 3*pageSize, dst)
	require.False(t, ok)
	require.Nil(t, release)
	require.Empty(t, iov)
	slot.word.Store(w)
	require.True(t, s.leafOf(0).slot(0).seize(s.leafOf(0).slot(0).page()), "the first page is not lent any more")
	s.leafOf(0).slot(0).settle()

	require.NoError(t, s.Resize(pageSize))
	require.Nil(t, func() []byte { _, b := s.lendPart(2*pageSize, 512); return b }(), "behind the end")
	require.NoError(t, s.Close())
	require.Nil(t, func() []byte { _, b := s.lendPart(0, 512); return b }(), "closed")
}

// TestLentPageIsReplaced: writing, clearing and unmapping part of a page that is lent leave what
// is lent alone; the page is free when its last lease ends, in whatever order.
func TestLentPageIsReplaced(t *testing.T) {
	for name, change := range map[string]func(s *Store) error{
		"write":  func(s *Store) error { return s.TryWritev([][]byte{bytes.Repeat([]byte{2}, 512)}, 512) },
		"zeroes": func(s *Store) error { return s.WriteZeroes(t.Context(), 512, 512, false) },
		"unmap":  func(s *Store) error { return s.Unmap(t.Context(), []backstore.Extent{{Off: 512, Len: 512}}) },
		"all":    func(s *Store) error { return s.Unmap(t.Context(), []backstore.Extent{{Len: pageSize}}) },
	} {
		for _, heap := range []bool{false, true} {
			s := newStore(t, pageSize, nil)
			s.pages.heap = heap
			write(t, s, 0, pageSize, 1)
			a, releaseA, ok := s.Lend(0, pageSize, nil)
			require.True(t, ok)
			b, releaseB, ok := s.Lend(0, 1024, nil)
			require.True(t, ok)
			require.NoError(t, change(s), name)
			releaseA()
			require.Equal(t, bytes.Repeat([]byte{1}, 1024), b[0], name)
			require.Equal(t, &a[0][0], &b[0][0])
			live := s.Allocated()
			releaseB()
			require.EqualValues(t, live-pageSize, s.Allocated(), name)
			require.Panics(t, releaseB)
		}
	}
}
