package sgv

import (
	"bufio"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/linuxtest"
)

func TestHugePagesSlots(t *testing.T) {
	a := HugePages().(*slotArena)
	type slot struct {
		seg []byte
		tag byte
	}
	var held []slot
	sizes := []int{1, 4096, 5000, 8192, 64 << 10, 1 << 20, 2 << 20, 2<<20 + 1, 5 << 20}
	for i := range 400 {
		n := sizes[i%len(sizes)]
		align := 1 << (i % 13)
		seg, err := a.Alloc(n, align)
		require.NoError(t, err)
		require.Len(t, seg, n)
		require.Equal(t, n, cap(seg))
		require.Zero(t, misaligned(seg, align))
		tag := byte(i)
		seg[0], seg[n-1] = tag, tag
		held = append(held, slot{seg, tag})
		if i%3 == 0 {
			at := i / 3 % len(held)
			a.Free(held[at].seg)
			held = slices.Delete(held, at, at+1)
		}
	}
	for _, s := range held {
		require.Equal(t, s.tag, s.seg[0], "slots do not overlap")
		require.Equal(t, s.tag, s.seg[len(s.seg)-1])
		a.Free(s.seg)
	}
	require.Empty(t, a.chunks, "everything is unmapped")
	for _, part := range a.part {
		require.Empty(t, part)
	}
}

// 512 pages fill a chunk exactly; a free slot is found again wherever it is.
func TestHugePagesFillsChunks(t *testing.T) {
	a := HugePages().(*slotArena)
	var segs [][]byte
	for range 513 {
		seg, err := a.Alloc(4096, 4096)
		require.NoError(t, err)
		segs = append(segs, seg)
	}
	require.Len(t, a.chunks, 2)
	hole := &segs[100][0]
	a.Free(segs[100])
	a.Free(segs[512])
	require.Len(t, a.chunks, 1)
	seg, err := a.Alloc(4000, 1)
	require.NoError(t, err)
	require.Same(t, hole, &seg[0])
	segs[100] = seg
	for _, seg := range segs[:512] {
		a.Free(seg)
	}
	require.Empty(t, a.chunks)
}

func TestHugePagesMapping(t *testing.T) {
	a := HugePages()
	seg, err := a.Alloc(4096, 4096)
	require.NoError(t, err)
	addr := reflect.ValueOf(seg).Pointer()
	require.True(t, mapped(t, addr))
	a.Free(seg)
	require.False(t, mapped(t, addr))
}

// TestHugePagesAreAskedFor: the kernel has been told of every chunk, if it has huge pages.
func TestHugePagesAreAskedFor(t *testing.T) {
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	has := err == nil
	a := HugePages()
	for _, n := range []int{4096, 4 << 20} {
		seg, err := a.Alloc(n, 4096)
		require.NoError(t, err)
		flags, err := linuxtest.VMFlags(reflect.ValueOf(seg).Pointer())
		require.NoError(t, err)
		require.Equal(t, has, slices.Contains(flags, "hg"))
		a.Free(seg)
	}
}

// mapped tells whether the page at addr is part of a mapping of this process.
func mapped(t *testing.T, addr uintptr) bool {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		from, to, ok := strings.Cut(strings.Fields(lines.Text())[0], "-")
		require.True(t, ok)
		if parseHex(from) <= addr && addr < parseHex(to) {
			return true
		}
	}
	require.NoError(t, lines.Err())
	return false
}

func parseHex(s string) (v uintptr) {
	for _, c := range []byte(s) {
		v = v<<4 | uintptr(strings.IndexByte("0123456789abcdef", c))
	}
	return v
}

func TestHugePagesErrors(t *testing.T) {
	a := HugePages().(*slotArena)
	_, err := a.Alloc(4096, 4<<20)
	require.ErrorContains(t, err, "alignment")
	_, err = a.Alloc(math.MaxInt, 4096)
	require.Error(t, err)
	if math.MaxInt > math.MaxInt32 { // beyond any address space
		_, err = a.Alloc(math.MaxInt>>1, 4096)
		require.ErrorContains(t, err, "mmap")
	}
	require.Empty(t, a.chunks)

	a.Free(nil)
	a.Free(make([]byte, 4096)) // not its own
	x, err := a.Alloc(4096, 4096)
	require.NoError(t, err)
	y, err := a.Alloc(4096, 4096)
	require.NoError(t, err)
	a.Free(y)
	require.PanicsWithValue(t, "sgv: segment freed twice", func() { a.Free(y) })
	a.Free(x)
	require.Empty(t, a.chunks)
}

func TestHugePagesConcurrent(t *testing.T) {
	a := HugePages().(*slotArena)
	p := NewPool(&Options{Allocator: a, MaxCached: 1 << 20})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			var held []*Buf
			for i := range 300 {
				b, err := p.Get(1000<<(i*7%12), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := b.WriteAt([]byte{byte(w)}, int64(b.Len()-1)); err != nil {
					t.Error(err)
				}
				if held = append(held, b); len(held) > 5 {
					held[0].Release()
					held = held[1:]
				}
			}
			for _, b := range held {
				b.Release()
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Close())
	require.Empty(t, a.chunks)
}
