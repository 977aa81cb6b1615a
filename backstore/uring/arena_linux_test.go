package uring

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/peers"
)

func newArena(t testing.TB, size int) *Arena {
	t.Helper()
	a, err := NewArena(size)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestArenaSizes(t *testing.T) {
	for _, n := range []int{-1, 0, 2<<20 - 1, 1<<30 + 1} {
		_, err := NewArena(n)
		require.ErrorContains(t, err, "2097152 to 1073741824 are allowed")
	}
	a := newArena(t, 2<<20+1)
	require.Len(t, a.Bytes(), 4<<20)
	require.Zero(t, address(a.Bytes())%(2<<20))
}

// TestArenaOpcodes: what is of the arena moves by the operations for registered memory, as far as the
// kernel has them.
func TestArenaOpcodes(t *testing.T) {
	a := newArena(t, 2<<20)
	left := a.Bytes()
	in := func(n int) []byte {
		b := left[:n:n]
		left = left[4096:]
		require.True(t, a.has(b))
		return b
	}
	heap := make([]byte, 4096)
	for _, c := range []struct {
		iov    [][]byte
		vecs   bool
		opcode uint8
	}{
		{iov: [][]byte{in(4096)}, opcode: opReadFixed},
		{iov: [][]byte{nil, in(512), {}}, opcode: opReadFixed},
		{iov: [][]byte{heap}, opcode: opRead},
		{iov: [][]byte{in(4096), in(4096)}, opcode: opReadv},
		{iov: [][]byte{in(4096), in(4096)}, opcode: opReadvFixed, vecs: true},
		{iov: [][]byte{in(4096), heap}, opcode: opReadv, vecs: true},
		{iov: [][]byte{heap, in(4096)}, opcode: opReadv, vecs: true},
	} {
		for kind, more := range map[backstore.OpKind]uint8{backstore.OpRead: 0, backstore.OpWrite: 1} {
			s := bareStore(true)
			s.arena, s.q.ring = a, &ring{vecs: c.vecs}
			e := mustNext(t, newTask(t, s, &armed{Op: backstore.Op{Kind: kind, Iov: c.iov}}))
			require.Equal(t, c.opcode+more, e.opcode)
			require.Zero(t, e.unused[0], "the index of the buffer")
		}
	}
}

// TestArenaMoves data between a file and pieces of an arena, with some of the heap among them.
func TestArenaMoves(t *testing.T) {
	const size = 8 << 20
	for _, direct := range []bool{false, true} {
		a := newArena(t, 2<<20)
		name := newFile(t, size, false)
		s := open(t, name, &Options{Direct: direct, Arena: a, BlockSize: 4096})
		want := make([]byte, size)
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			var iov [][]byte
			n := 0
			for range 1 + rnd.IntN(4) {
				k := 4096 << rnd.IntN(5)
				seg := make([]byte, k)
				if rnd.IntN(8) > 0 {
					at := len(iov)*(256<<10) + rnd.IntN(32)*4096
					seg = a.Bytes()[at : at+k]
				}
				for i := range seg {
					seg[i] = byte(rnd.Uint32())
				}
				iov, n = append(iov, seg), n+k
			}
			off := rnd.IntN((size-n)/4096) * 4096
			switch rnd.IntN(3) {
			case 0:
				require.NoError(t, s.Readv(t.Context(), iov, int64(off)))
				require.True(t, bytes.Equal(want[off:off+n], bytes.Join(iov, nil)))
				continue
			case 1:
				require.NoError(t, s.WritevFUA(t.Context(), iov, int64(off)))
			case 2:
				require.NoError(t, s.Writev(t.Context(), iov, int64(off)))
			}
			copy(want[off:], bytes.Join(iov, nil))
		}
		require.ErrorContains(t, a.Close(), "in use by 1 stores")
		require.NoError(t, s.Close())
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
}

// TestArenaIsClosed: a store cannot register what is gone, and leaves nothing open.
func TestArenaIsClosed(t *testing.T) {
	a, err := NewArena(2 << 20)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	name := newFile(t, 1<<20, false)
	_, err = Open(name, &Options{Arena: a})
	if errors.Is(err, errors.ErrUnsupported) {
		peers.Missing(t, err.Error())
	}
	require.ErrorContains(t, err, "the arena is closed")
	require.NoError(t, open(t, name, nil).Close(), "the file is not locked")
}
