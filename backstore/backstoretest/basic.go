package backstoretest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

func (s *suite) testGeometry(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	require.Equal(t, g, b.Geometry(), "the geometry changes by itself")
	a := backstore.Resolve(b)
	require.Equal(t, a.Caps, backstore.Caps(b))
	require.Zero(t, a.Caps&g.Without, "abilities that Geometry.Without denies")
	if g.Volatile {
		require.NotNil(t, a.Flusher, "a Volatile store must be a Flusher")
	}
	if g.ReadOnly || s.Discards {
		return
	}
	// What is hidden by Without is not missed: the store works with its four methods.
	block := make([]byte, g.BlockSize)
	fill(newRand(t), block)
	p := plain{b}
	require.NoError(t, p.Writev(t.Context(), [][]byte{block}, 0))
	requireSame(t, block, mustRead(t, p, 0, int64(g.BlockSize)), 0, "plain")
}

// plain hides every ability of a store.
type plain struct{ backstore.Backstore }

func (s *suite) testClose(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	block := make([]byte, g.BlockSize)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close(), "a second Close")
	require.Equal(t, g.BlockSize, b.Geometry().BlockSize, "Geometry after Close")
	require.ErrorIs(t, b.Readv(context.Background(), [][]byte{block}, 0), backstore.ErrClosed)
	err := b.Writev(context.Background(), [][]byte{block}, 0)
	if !g.ReadOnly || !errors.Is(err, backstore.ErrReadOnly) {
		require.ErrorIs(t, err, backstore.ErrClosed)
	}
	if f := backstore.Resolve(b).Flusher; f != nil {
		require.ErrorIs(t, f.Flush(context.Background(), 0, 0), backstore.ErrClosed)
	}
}

func (s *suite) testBounds(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	bs := int64(g.BlockSize)
	before := mustRead(t, b, 0, 2*bs)
	end := mustRead(t, b, g.Size-2*bs, 2*bs)
	for _, c := range []struct{ off, n int64 }{
		{-bs, bs}, {-1, bs}, {g.Size, bs}, {g.Size - bs, 2 * bs}, {g.Size + bs, 0},
		{math.MaxInt64 &^ (bs - 1), bs}, {math.MinInt64, bs}, {math.MinInt64, 0},
		{1, bs}, {0, 1}, {0, bs + 1}, {0, bs - 1}, {bs / 2, bs}, {g.Size - 1, 1},
	} {
		name := fmt.Sprintf("%d bytes at %d", c.n, c.off)
		refused := func(method string, err error) {
			if !errors.Is(err, backstore.ErrOutOfRange) && !errors.Is(err, backstore.ErrMisaligned) &&
				(!g.ReadOnly || !errors.Is(err, backstore.ErrReadOnly)) {
				t.Errorf("%s of %s: %v", method, name, err)
			}
		}
		iov := [][]byte{make([]byte, c.n)}
		refused("Readv", b.Readv(t.Context(), iov, c.off))
		refused("Writev", b.Writev(t.Context(), iov, c.off))
		a := backstore.Resolve(b)
		if a.Flusher != nil {
			refused("Flush", a.Flusher.Flush(t.Context(), c.off, c.n))
		}
		if a.FUAWriter != nil {
			refused("WritevFUA", a.FUAWriter.WritevFUA(t.Context(), iov, c.off))
		}
		if a.Unmapper != nil {
			refused("Unmap", a.Unmapper.Unmap(t.Context(), []backstore.Extent{{Len: bs}, {Off: c.off, Len: c.n}}))
			before = nil // the extent before the bad one may have been done
		}
		if a.Zeroer != nil {
			refused("WriteZeroes", a.Zeroer.WriteZeroes(t.Context(), c.off, c.n, false))
		}
		if a.WriteSamer != nil {
			refused("WriteSame", a.WriteSamer.WriteSame(t.Context(), make([]byte, bs), c.off, c.n))
		}
		if a.CompareAndWriter != nil {
			refused("CompareAndWrite", a.CompareAndWriter.CompareAndWrite(t.Context(), iov, iov, c.off))
		}
		if a.Nowait != nil {
			refused("TryReadv", a.Nowait.TryReadv(iov, c.off))
			refused("TryWritev", a.Nowait.TryWritev(iov, c.off))
		}
		if a.Lender != nil {
			_, _, ok := a.Lender.Lend(c.off, c.n, nil)
			require.False(t, ok, "Lend of %s", name)
		}
		if a.MapLender != nil {
			_, _, ok := a.MapLender.LendMapped(c.off, c.n, nil)
			require.False(t, ok, "LendMapped of %s", name)
		}
		if a.Verifier != nil {
			refused("Verify", a.Verifier.Verify(t.Context(), c.off, c.n))
		}
		if a.ExtentMapper != nil {
			_, err := a.ExtentMapper.AppendExtents(t.Context(), nil, c.off, c.n)
			refused("AppendExtents", err)
		}
	}
	if before != nil {
		requireSame(t, before, mustRead(t, b, 0, 2*bs), 0, "the start after refused calls")
	}
	requireSame(t, end, mustRead(t, b, g.Size-2*bs, 2*bs), g.Size-2*bs, "the end after refused calls")
}

func (s *suite) testZeroLength(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	for _, off := range []int64{0, int64(g.BlockSize), g.Size} {
		for _, iov := range [][][]byte{nil, {}, {nil}, {{}, nil, {}}} {
			require.NoError(t, b.Readv(t.Context(), iov, off), "Readv at %d", off)
			if !g.ReadOnly {
				require.NoError(t, b.Writev(t.Context(), iov, off), "Writev at %d", off)
			}
		}
	}
	a := backstore.Resolve(b)
	if g.ReadOnly {
		return
	}
	if a.Unmapper != nil {
		require.NoError(t, a.Unmapper.Unmap(t.Context(), nil))
		require.NoError(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{{}, {Off: g.Size}}))
	}
	if a.Zeroer != nil {
		require.NoError(t, a.Zeroer.WriteZeroes(t.Context(), g.Size, 0, true))
		require.NoError(t, a.Zeroer.WriteZeroes(t.Context(), 0, 0, false))
	}
	if a.WriteSamer != nil {
		require.NoError(t, a.WriteSamer.WriteSame(t.Context(), make([]byte, g.BlockSize), 0, 0))
	}
}

// testCancel: a done context may end I/O, with its own error, and does no harm.
func (s *suite) testCancel(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n := min(maxIO(g), 64*int64(g.BlockSize))
	old := mustRead(t, b, 0, n)
	ok := func(method string, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", method, err)
		}
	}
	ok("Readv", b.Readv(ctx, [][]byte{make([]byte, n)}, 0))
	if g.ReadOnly {
		return
	}
	fresh := make([]byte, n)
	fill(newRand(t), fresh)
	ok("Writev", b.Writev(ctx, [][]byte{fresh}, 0))
	got := mustRead(t, b, 0, n)
	for at := 0; at < len(got); at += g.BlockSize {
		block := got[at : at+g.BlockSize]
		if !slices.Equal(block, old[at:at+g.BlockSize]) && !slices.Equal(block, fresh[at:at+g.BlockSize]) {
			t.Errorf("the block at %d has neither its old nor its new contents", at)
		}
	}
	a := backstore.Resolve(b)
	if a.Flusher != nil {
		ok("Flush", a.Flusher.Flush(ctx, 0, 0))
	}
	if a.FUAWriter != nil {
		ok("WritevFUA", a.FUAWriter.WritevFUA(ctx, [][]byte{fresh}, 0))
	}
	if a.Unmapper != nil {
		ok("Unmap", a.Unmapper.Unmap(ctx, []backstore.Extent{{Len: n}}))
	}
	if a.Zeroer != nil {
		ok("WriteZeroes", a.Zeroer.WriteZeroes(ctx, 0, n, false))
	}
	if a.WriteSamer != nil {
		ok("WriteSame", a.WriteSamer.WriteSame(ctx, fresh[:g.BlockSize], 0, n))
	}
}

func (s *suite) testReadOnly(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	first := mustRead(t, b, 0, int64(g.BlockSize))
	other := slices.Clone(first)
	other[0]++
	a := backstore.Resolve(b)
	require.ErrorIs(t, b.Writev(t.Context(), [][]byte{other}, 0), backstore.ErrReadOnly)
	n := int64(g.BlockSize)
	if a.FUAWriter != nil {
		require.ErrorIs(t, a.FUAWriter.WritevFUA(t.Context(), [][]byte{other}, 0), backstore.ErrReadOnly)
	}
	if a.Unmapper != nil {
		require.ErrorIs(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{{Len: n}}), backstore.ErrReadOnly)
	}
	if a.Zeroer != nil {
		require.ErrorIs(t, a.Zeroer.WriteZeroes(t.Context(), 0, n, true), backstore.ErrReadOnly)
	}
	if a.WriteSamer != nil {
		require.ErrorIs(t, a.WriteSamer.WriteSame(t.Context(), other, 0, n), backstore.ErrReadOnly)
	}
	if a.Nowait != nil {
		require.ErrorIs(t, a.Nowait.TryWritev([][]byte{other}, 0), backstore.ErrReadOnly)
	}
	if a.CompareAndWriter != nil {
		require.ErrorIs(t, a.CompareAndWriter.CompareAndWrite(t.Context(), [][]byte{first}, [][]byte{other}, 0), backstore.ErrReadOnly)
	}
	requireSame(t, first, mustRead(t, b, 0, n), 0, "after refused writes")
}
