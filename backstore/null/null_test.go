package null_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/null"
)

func TestConformance(t *testing.T) {
	for _, opts := range []null.Options{{}, {BlockSize: 4096, Volatile: true}, {ReadOnly: true}, {Thick: true, Without: backstore.CapNowait}} {
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				s, err := null.NewWith(1<<50, &opts)
				require.NoError(t, err)
				return s
			}, &backstoretest.Options{Discards: true, ZeroAlloc: true})
		})
	}
}

func TestReadsZeroes(t *testing.T) {
	s := null.New(1 << 40)
	defer s.Close()
	buf := bytes.Repeat([]byte{0xAA}, 4096)
	require.NoError(t, s.Writev(t.Context(), [][]byte{buf}, 1<<39))
	require.NoError(t, s.Readv(t.Context(), [][]byte{buf[:100], buf[100:]}, 1<<39))
	require.Equal(t, make([]byte, 4096), buf)
	iov, release, ok := s.Lend(0, 200<<10, nil)
	require.True(t, ok)
	require.Equal(t, make([]byte, 200<<10), bytes.Join(iov, nil))
	release()
	_, _, ok = s.Lend(0, 65<<20, nil)
	require.False(t, ok)
}

func TestOptions(t *testing.T) {
	for size, want := range map[int64]int64{-5: 0, 513: 512, 1<<63 - 1: null.MaxSize} {
		require.Equal(t, want, null.New(size).Geometry().Size)
	}
	_, err := null.NewWith(1000, nil)
	require.Error(t, err)
	_, err = null.NewWith(null.MaxSize+512, nil)
	require.Error(t, err)
	s, err := null.NewWith(1<<20, &null.Options{Thick: true})
	require.NoError(t, err)
	require.False(t, backstore.Caps(s).Has(backstore.CapUnmap))
}

func Example() {
	s := null.New(1 << 50) // a petabyte
	defer s.Close()
	fmt.Println(s.Geometry().Blocks(), backstore.Caps(s))
	// Output: 2199023255552 flush|fua|unmap|zero|writesame|nowait|lend|verify
}
