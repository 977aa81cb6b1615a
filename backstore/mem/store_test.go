package mem

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
)

func TestConformance(t *testing.T) {
	tests := []struct {
		name string
		size int64
		opts Options
		heap bool
		ops  int
	}{
		{"default", 4<<20 + 512, Options{}, false, 0},
		{"heap", 4<<20 + 512, Options{}, true, 0},
		{"4096", 1 << 40, Options{BlockSize: 4096, Volatile: true}, false, 0},
		{"64KiB blocks", 8 << 20, Options{BlockSize: 64 << 10}, true, 60},
		{"thick", 1 << 20, Options{Thick: true, SmallPages: true}, false, 0},
		{"bare", 1 << 20, Options{Without: backstore.CapAll &^ backstore.CapNotify}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				s, err := NewWith(tt.size, &tt.opts)
				require.NoError(t, err)
				s.pages.heap = s.pages.heap || tt.heap
				return s
			}, &backstoretest.Options{
				ZeroAlloc:  true,
				WholeReads: true,
				Ops:        tt.ops,
				Resize:     func(b backstore.Backstore, size int64) error { return b.(*Store).Resize(size) },
			})
		})
	}
}

func newStore(t *testing.T, size int64, opts *Options) *Store {
	t.Helper()
	s, err := NewWith(size, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func write(t *testing.T, s *Store, off int64, n int, fill byte) {
	t.Helper()
	require.NoError(t, s.TryWritev([][]byte{bytes.Repeat([]byte{fill}, n)}, off))
}

func TestNew(t *testing.T) {
	for size, want := range map[int64]int64{-5: 0, 0: 0, 511: 0, 513: 512, 1 << 62: MaxSize} {
		s := New(size)
		require.Equal(t, want, s.Geometry().Size)
		require.NoError(t, s.Close())
	}
	for _, opts := range []Options{{BlockSize: 1000}, {BlockSize: 128 << 10}, {PhysBlockSize: 256}, {Limit: -1}} {
		_, err := NewWith(1<<20, &opts)
		require.Error(t, err, "%+v", opts)
	}
	_, err := NewWith(MaxSize+512, nil)
	require.Error(t, err)
	_, err = NewWith(1000, nil)
	require.Error(t, err)
}

// TestSparse: a huge store costs what is written, and gives it back.
func TestSparse(t *testing.T) {
	s := newStore(t, 64<<40, nil)
	require.Zero(t, s.Allocated())
	for _, off := range []int64{0, 1 << 40, 33<<40 + 4096, 64<<40 - 512} {
		write(t, s, off, 512, 1)
	}
	require.EqualValues(t, 4*pageSize, s.Allocated())
	require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Off: 4096, Len: 34 << 40}}))
	require.EqualValues(t, 2*pageSize, s.Allocated())
	require.NoError(t, s.WriteZeroes(t.Context(), 0, 64<<40, true))
	require.Zero(t, s.Allocated())
	all, err := s.AppendExtents(t.Context(), nil, 0, 64<<40)
	require.NoError(t, err)
	require.Equal(t, []backstore.MappedExtent{{Extent: backstore.Extent{Len: 64 << 40}, State: backstore.Deallocated}}, all)
}

// TestPageRecycling: a page that comes back does not show what it held before.
func TestPageRecycling(t *testing.T) {
	for _, heap := range []bool{false, true} {
		s := newStore(t, 1<<30, nil)
		s.pages.heap = heap
		const pages = keepDirty + 64 // more than are kept with their memory
		for round := range byte(3) {
			for i := range int64(pages) {
				write(t, s, i*pageSize, pageSize, 0xFF-round)
			}
			require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Len: pages * pageSize}}))
			require.Zero(t, s.Allocated())
			for i := range int64(pages) {
				write(t, s, i*pageSize+512, 512, 7)
				got := make([]byte, pageSize)
				require.NoError(t, s.TryReadv([][]byte{got}, i*pageSize))
				want := make([]byte, pageSize)
				copy(want[512:], bytes.Repeat([]byte{7}, 512))
				require.True(t, bytes.Equal(want, got), "page %d shows old contents", i)
			}
		}
	}
}

// TestZeroesStayMapped: zeroes that must not be unmapped are mapped, and take memory.
func TestZeroesStayMapped(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	require.NoError(t, s.WriteZeroes(t.Context(), 512, pageSize, false))
	require.EqualValues(t, 2*pageSize, s.Allocated())
	all, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 8), 0, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []backstore.MappedExtent{
		{Extent: backstore.Extent{Len: 512}, State: backstore.Deallocated},
		{Extent: backstore.Extent{Off: 512, Len: pageSize}, State: backstore.Mapped},
		{Extent: backstore.Extent{Off: 512 + pageSize, Len: 1<<20 - 512 - pageSize}, State: backstore.Deallocated},
	}, all)
}

func TestLimit(t *testing.T) {
	s := newStore(t, 1<<20, &Options{Limit: 2*pageSize + 100})
	write(t, s, 0, 512, 1)
	write(t, s, pageSize, 512, 1)
	require.ErrorIs(t, s.TryWritev([][]byte{make([]byte, 512)}, 2*pageSize), backstore.ErrNoSpace)
	require.ErrorIs(t, s.WriteZeroes(t.Context(), 2*pageSize, 512, false), backstore.ErrNoSpace)
	require.NoError(t, s.WriteZeroes(t.Context(), 2*pageSize, 512, true))

	iov, release, ok := s.Lend(0, 1024, nil)
	require.True(t, ok)
	write(t, s, 0, 512, 2) // the copy of a lent page is free
	require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Len: 512}}))
	require.Equal(t, byte(1), iov[0][0])
	release()
	require.EqualValues(t, pageSize, s.Allocated())
	write(t, s, 2*pageSize, 512, 3)
}

// TestLentOutlivesClose: memory that is lent stays readable until it is released.
func TestLentOutlivesClose(t *testing.T) {
	s := New(1 << 20)
	write(t, s, 0, 512, 0x77)
	write(t, s, pageSize, 512, 0x78)
	one, releaseOne, ok := s.Lend(0, 512, nil)
	require.True(t, ok)
	two, releaseTwo, ok := s.Lend(0, 2*pageSize, nil)
	require.True(t, ok)
	require.NoError(t, s.Close())
	require.Equal(t, bytes.Repeat([]byte{0x77}, 512), one[0])
	require.Equal(t, byte(0x78), two[1][0])
	releaseOne()
	require.Equal(t, byte(0x77), two[0][0])
	releaseTwo()
	require.Zero(t, s.Allocated())
	require.Empty(t, s.pages.mapped.list, "the arenas went back to the system")
	require.Panics(t, releaseTwo)
	_, _, ok = s.Lend(0, 512, nil)
	require.False(t, ok)
}

// TestConcurrentEverything runs all methods against each other; readers check that blocks are
// whole and that what is lent does not change.
func TestConcurrentEverything(t *testing.T) {
	for _, heap := range []bool{false, true} { // the race detector sees only the Go heap
		t.Run(fmt.Sprintf("heap=%v", heap), func(t *testing.T) { concurrentEverything(t, heap) })
	}
}

func concurrentEverything(t *testing.T, heap bool) {
	const size, bs = 6 * pageSize, 512
	s := newStore(t, size, nil)
	s.pages.heap = heap
	ctx := context.Background()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	spawn := func(id uint64, step func(rng *rand.Rand, off, n int64) error) {
		rng := rand.New(rand.NewPCG(seed, id))
		wg.Go(func() {
			for range 400 {
				off := rng.Int64N(size/bs) * bs
				n := min(size-off, (1+rng.Int64N(2*pageSize/bs))*bs)
				if err := step(rng, off, n); err != nil && err != backstore.ErrOutOfRange {
					t.Error(err)
					return
				}
			}
		})
	}
	for id := range uint64(2) {
		spawn(id, func(rng *rand.Rand, off, n int64) error {
			return s.Writev(ctx, [][]byte{bytes.Repeat([]byte{byte(rng.Uint32())}, int(n))}, off)
		})
	}
	spawn(2, func(_ *rand.Rand, off, n int64) error {
		buf := make([]byte, n)
		if err := s.Readv(ctx, [][]byte{buf}, off); err != nil {
			return err
		}
		return whole(buf, bs)
	})
	for id := range uint64(2) {
		spawn(3+id, func(_ *rand.Rand, off, n int64) error {
			iov, release, ok := s.Lend(off, n, nil)
			if !ok {
				return nil
			}
			defer release()
			before := bytes.Join(iov, nil)
			if err := whole(before, bs); err != nil {
				return err
			}
			runtime.Gosched()
			if !bytes.Equal(before, bytes.Join(iov, nil)) {
				return fmt.Errorf("lent memory changed")
			}
			return nil
		})
	}
	spawn(5, func(_ *rand.Rand, off, n int64) error {
		return s.Unmap(ctx, []backstore.Extent{{Off: off, Len: n}})
	})
	spawn(6, func(rng *rand.Rand, off, n int64) error { return s.WriteZeroes(ctx, off, n, rng.IntN(2) == 0) })
	spawn(7, func(_ *rand.Rand, off, n int64) error {
		_, err := s.AppendExtents(ctx, nil, off, n)
		return err
	})
	spawn(8, func(rng *rand.Rand, _, _ int64) error {
		return s.Resize(size - rng.Int64N(3*pageSize/bs)*bs)
	})
	wg.Wait()
	require.NoError(t, s.Resize(0))
	require.Zero(t, s.Allocated(), "nothing is left behind the end")
}

func whole(data []byte, bs int) error {
	for ; len(data) > 0; data = data[bs:] {
		if bytes.Count(data[:bs], data[:1]) != bs {
			return fmt.Errorf("a block is torn")
		}
	}
	return nil
}

func TestWordMask(t *testing.T) {
	for from := 0; from <= 128; from += 3 {
		for to := from; to <= 128; to += 5 {
			var m blockMap
			m.mark(from, to)
			for i := range 128 {
				require.Equal(t, i >= from && i < to, m[i/64]>>(i%64)&1 == 1)
			}
			if from < to {
				mapped, end := m.run(from, 128)
				require.True(t, mapped)
				require.Equal(t, to, end)
			}
			if from > 0 {
				mapped, end := m.run(0, 128)
				require.False(t, mapped)
				if from < to {
					require.Equal(t, from, end)
				}
			}
			m.unmark(from, to)
			require.Zero(t, m)
		}
	}
}

func BenchmarkRead4K(b *testing.B) {
	s := New(64 << 20)
	for off := int64(0); off < 64<<20; off += 1 << 20 {
		_ = s.TryWritev([][]byte{make([]byte, 1<<20)}, off)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		iov := [][]byte{make([]byte, 4096)}
		rng := rand.New(rand.NewPCG(1, rand.Uint64()))
		for pb.Next() {
			if err := s.TryReadv(iov, rng.Int64N(64<<20/4096)*4096); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkLend4K lends from a store that fits into a processor's cache, and from one that does not.
func BenchmarkLend4K(b *testing.B) {
	for _, size := range []int64{8 << 20, 1 << 30} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			s := New(size)
			block := make([]byte, 1<<20)
			for off := int64(0); off < size; off += int64(len(block)) {
				_ = s.TryWritev([][]byte{block}, off)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				dst := make([][]byte, 0, 8)
				rng := rand.New(rand.NewPCG(1, rand.Uint64()))
				for pb.Next() {
					if _, release, ok := s.Lend(rng.Int64N(size/4096)*4096, 4096, dst); ok {
						release()
					}
				}
			})
			b.StopTimer() // a lot of memory is given back
			_ = s.Close()
		})
	}
}
