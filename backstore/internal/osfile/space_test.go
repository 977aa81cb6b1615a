package osfile

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// TestPieces: the system works on so much at once that a context can end it, and what it cannot do
// is unsupported only before anything was done.
func TestPieces(t *testing.T) {
	extents := []backstore.Extent{{Off: 512, Len: 1024}, {}, {Off: 1 << 40, Len: MaxSpace + 512}}
	want := []backstore.Extent{{Off: 512, Len: 1024}, {Off: 1 << 40, Len: MaxSpace}, {Off: 1<<40 + MaxSpace, Len: 512}}
	for failing := range len(want) + 1 {
		var got []backstore.Extent
		err := inPieces(t.Context(), extents, func(off, n int64) error {
			if len(got) == failing {
				return syscall.ENOTSUP
			}
			got = append(got, backstore.Extent{Off: off, Len: n})
			return nil
		})
		require.Equal(t, want[:failing], append([]backstore.Extent{}, got...))
		switch failing {
		case 0:
			require.ErrorIs(t, err, errors.ErrUnsupported)
		case len(want):
			require.NoError(t, err)
		default:
			require.NotErrorIs(t, err, errors.ErrUnsupported)
			require.Error(t, err)
		}
	}
	err := inPieces(t.Context(), extents, func(int64, int64) error { return syscall.ENOSPC })
	require.Equal(t, backstore.ErrNoSpace, err)

	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err = inPieces(ctx, extents, func(int64, int64) error { calls++; cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
}
