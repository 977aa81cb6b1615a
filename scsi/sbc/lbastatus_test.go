package sbc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestLBAStatusRoundTrip(t *testing.T) {
	b := AppendLBAStatus(nil, someStates)
	got, err := ParseLBAStatus(append(b, 1, 2, 3))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(someStates, got))
	for n := range b {
		got, err := ParseLBAStatus(b[:n])
		require.ErrorIs(t, err, ErrShort)
		require.Len(t, got, max(n-8, 0)/16, "whole descriptors are kept")
	}
	got, err = ParseLBAStatus(AppendLBAStatus(nil, nil))
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = ParseLBAStatus([]byte{0, 0, 0, 3, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrFormat)
	_, err = ParseLBAStatus([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrShort)
}

func TestLBAStatusCount(t *testing.T) {
	for allocation, want := range map[uint32]int{0: 1, 8: 1, 23: 1, 24: 1, 39: 1, 40: 2, 1<<32 - 1: (1<<32 - 9) / 16} {
		require.Equal(t, want, LBAStatusCount(allocation), "%d", allocation)
	}
}

func FuzzParseLBAStatus(f *testing.F) {
	f.Add(fixtures["lba-status"]())
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseLBAStatus(b)
		if 16*len(list) > len(b) {
			t.Fatalf("%d descriptors in %d bytes", len(list), len(b))
		}
		if err != nil {
			return
		}
		again, err := ParseLBAStatus(AppendLBAStatus(nil, list))
		if d := cmp.Diff(list, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}
