package backstoretest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// abilityTest is one optional interface and what is checked of it.
type abilityTest struct {
	name string
	bit  backstore.Cap
	run  func(s *suite, t *testing.T, b backstore.Backstore, a backstore.Abilities)
}

var abilityTests = []abilityTest{
	{"Flush", backstore.CapFlush, (*suite).testFlush},
	{"FUA", backstore.CapFUA, (*suite).testFUA},
	{"Unmap", backstore.CapUnmap, (*suite).testUnmap},
	{"Zero", backstore.CapZero, (*suite).testZero},
	{"WriteSame", backstore.CapWriteSame, (*suite).testWriteSame},
	{"CompareAndWrite", backstore.CapCompareAndWrite, (*suite).testCompareAndWrite},
	{"Nowait", backstore.CapNowait, (*suite).testNowait},
	{"Lend", backstore.CapLend, (*suite).testLend},
	{"LendMapped", backstore.CapLendMapped, (*suite).testLendMapped},
	{"Verify", backstore.CapVerify, (*suite).testVerify},
	{"Extents", backstore.CapExtents, (*suite).testExtents},
	{"Copy", backstore.CapCopy, (*suite).testCopy},
	{"Notify", backstore.CapNotify, (*suite).testNotify},
	{"Identity", backstore.CapIdentity, (*suite).testIdentity},
	{"Submit", backstore.CapSubmit, (*suite).testSubmit},
}

func (s *suite) testAbilities(t *testing.T) {
	for _, at := range abilityTests {
		t.Run(at.name, func(t *testing.T) {
			b := s.store(t)
			a := backstore.Resolve(b)
			if !a.Caps.Has(at.bit) {
				t.Skip("the store has no ability " + at.bit.String())
			}
			at.run(s, t, b, a)
		})
	}
}

// eachRange runs do on ranges that begin and end at various distances from a physical block, a page
// and 64 KiB, in a window of random contents. do changes the store and want in the same way.
func eachRange(t *testing.T, b backstore.Backstore, do func(want []byte, base int64, e backstore.Extent)) {
	t.Helper()
	g := b.Geometry()
	bs := int64(g.BlockSize)
	rng := newRand(t)
	for _, w := range windows(g) {
		want := make([]byte, w.Len)
		fill(rng, want)
		mustWrite(t, b, want, w.Off)
		blocks := w.Len / bs
		for _, from := range []int64{0, 1, 7, blocks/2 + 1, blocks - 3} {
			for _, n := range []int64{1, 7, 8, 9, 129} {
				n = min(n, blocks-from, maxIO(g)/bs)
				e := backstore.Extent{Off: w.Off + from*bs, Len: n * bs}
				fill(rng, want[from*bs:(from+n)*bs])
				mustWrite(t, b, want[from*bs:(from+n)*bs], e.Off)
				do(want, w.Off, e)
				lo, hi := max(0, from-9)*bs, min(blocks, from+n+9)*bs
				requireSame(t, want[lo:hi], mustRead(t, b, w.Off+lo, hi-lo), w.Off+lo, "the range and what is beside it")
			}
		}
		requireSame(t, want, mustRead(t, b, w.Off, w.Len), w.Off, "the window")
	}
}

func part(want []byte, base int64, e backstore.Extent) []byte {
	return want[e.Off-base : e.Off-base+e.Len]
}

func (s *suite) testFlush(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	g := b.Geometry()
	bs := int64(g.BlockSize)
	data := make([]byte, 4*bs)
	fill(newRand(t), data)
	mustWrite(t, b, data, bs)
	for _, e := range []backstore.Extent{{}, {Off: bs}, {Off: bs, Len: 4 * bs}, {Len: g.Size}, {Off: g.Size}} {
		require.NoError(t, ignoreUnsupported(a.Flusher.Flush(t.Context(), e.Off, e.Len)))
	}
	requireSame(t, data, mustRead(t, b, bs, 4*bs), bs, "after the flush")
}

func (s *suite) testFUA(t *testing.T, b backstore.Backstore, _ backstore.Abilities) {
	rng := newRand(t)
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		fill(rng, p)
		require.NoError(t, native(b).writeFUA(t.Context(), split(rng, p), e.Off))
	})
}

func (s *suite) testUnmap(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		half := e.Len / int64(b.Geometry().BlockSize) / 2 * int64(b.Geometry().BlockSize)
		require.NoError(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{
			{Off: e.Off + half, Len: e.Len - half}, {Off: e.Off, Len: half}, {Off: e.Off},
		}), "an Unmapper that cannot unmap must list CapUnmap in Without: UNMAP has been advertised")
		clear(part(want, base, e))
	})
}

func (s *suite) testZero(t *testing.T, b backstore.Backstore, _ backstore.Abilities) {
	for _, mayUnmap := range []bool{false, true} {
		eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
			require.NoError(t, native(b).zero(t.Context(), e.Off, e.Len, mayUnmap))
			clear(part(want, base, e))
		})
	}
}

func (s *suite) testWriteSame(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	rng := newRand(t)
	block := make([]byte, b.Geometry().BlockSize)
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		fill(rng, block)
		keep := slices.Clone(block)
		require.NoError(t, native(b).writeSame(t.Context(), block, e.Off, e.Len))
		requireSame(t, keep, block, 0, "the block that was passed")
		for p := part(want, base, e); len(p) > 0; p = p[len(block):] {
			copy(p, block)
		}
	})
	require.ErrorIs(t, a.WriteSamer.WriteSame(t.Context(), block[1:], 0, int64(len(block))), backstore.ErrMisaligned)
}

func (s *suite) testCompareAndWrite(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	rng := newRand(t)
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		fresh := make([]byte, len(p))
		fill(rng, fresh)
		wrong := slices.Clone(p)
		at := rng.IntN(len(wrong))
		wrong[at] ^= 0x10
		for _, d := range []*device{native(b), emulated(b)} {
			var miss *backstore.MiscompareError
			err := d.compareAndWrite(t.Context(), split(rng, wrong), split(rng, fresh), e.Off)
			require.True(t, errors.As(err, &miss), "%v", err)
			require.Equal(t, int64(at), miss.Offset)
		}
		require.NoError(t, native(b).compareAndWrite(t.Context(), split(rng, p), split(rng, fresh), e.Off))
		copy(p, fresh)
	})
	s.countWithCompareAndWrite(t, b, a)
}

// countWithCompareAndWrite increments a number from many goroutines; no increment is lost.
func (s *suite) countWithCompareAndWrite(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	const workers, rounds = 4, 25
	bs := b.Geometry().BlockSize
	mustWrite(t, b, make([]byte, bs), 0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			old, next := make([]byte, bs), make([]byte, bs)
			for done := 0; done < rounds; {
				if err := b.Readv(context.Background(), [][]byte{old}, 0); err != nil {
					t.Error(err)
					return
				}
				binary.BigEndian.PutUint64(next, binary.BigEndian.Uint64(old)+1)
				err := a.CompareAndWriter.CompareAndWrite(context.Background(), [][]byte{old}, [][]byte{next}, 0)
				var miss *backstore.MiscompareError
				switch {
				case err == nil:
					done++
				case errors.Is(err, errors.ErrUnsupported):
					return
				case !errors.As(err, &miss):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := binary.BigEndian.Uint64(mustRead(t, b, 0, int64(bs))); got != 0 {
		require.Equal(t, uint64(workers*rounds), got)
	}
}

func (s *suite) testNowait(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	rng := newRand(t)
	moved, blocked := 0, 0
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		got := make([]byte, len(p))
		err := a.Nowait.TryReadv(split(rng, got), e.Off)
		require.NoError(t, notBlocked(err))
		if err == nil {
			requireSame(t, p, got, e.Off, "TryReadv")
			moved++
		} else {
			blocked++
		}
		fresh := make([]byte, len(p))
		fill(rng, fresh)
		err = a.Nowait.TryWritev(split(rng, fresh), e.Off)
		require.NoError(t, notBlocked(err))
		if err == nil {
			copy(p, fresh)
			moved++
		} else {
			blocked++ // and the window is compared with its old contents
		}
	})
	t.Logf("%d transfers moved, %d would have blocked", moved, blocked)
}

func (s *suite) testVerify(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	for _, w := range windows(b.Geometry()) {
		require.NoError(t, ignoreUnsupported(a.Verifier.Verify(t.Context(), w.Off, w.Len)))
	}
}

// testExtents checks form and truth: no gaps, no overlap, what is not mapped reads as zeroes.
func (s *suite) testExtents(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		requireState(t, a, e, backstore.Mapped) // it was just written
		if a.Unmapper != nil {
			require.NoError(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{e}))
			clear(part(want, base, e))
		}
		all := extents(t, a, backstore.Extent{Off: base, Len: int64(len(want))}, 1024)
		one := extents(t, a, backstore.Extent{Off: base, Len: int64(len(want))}, 1)
		require.Equal(t, all, one, "with room for one extent a call")
		for _, x := range all {
			if x.State != backstore.Mapped {
				p := part(want, base, x.Extent)
				requireSame(t, make([]byte, len(p)), p, x.Off, "contents of a "+x.State.String()+" extent")
			}
		}
	})
}

// extents collects the map of e with calls that have room for n extents each.
func extents(t *testing.T, a backstore.Abilities, e backstore.Extent, n int) []backstore.MappedExtent {
	t.Helper()
	var all []backstore.MappedExtent
	for off, end := e.Off, e.Off+e.Len; off < end; {
		dst := make([]backstore.MappedExtent, 1, 1+n)
		dst[0].State = backstore.Anchored
		dst, err := a.ExtentMapper.AppendExtents(t.Context(), dst, off, end-off)
		require.NoError(t, err)
		require.Equal(t, backstore.MappedExtent{State: backstore.Anchored}, dst[0], "AppendExtents changed what was there")
		require.Greater(t, len(dst), 1, "no progress at byte %d", off)
		require.LessOrEqual(t, len(dst), 1+n, "more extents than fit")
		for _, x := range dst[1:] {
			require.Equal(t, off, x.Off, "a gap or an overlap")
			require.Positive(t, x.Len)
			off += x.Len
			if k := len(all); k > 0 && all[k-1].State == x.State {
				require.True(t, x == dst[1], "neighbours of the same state in one answer")
				all[k-1].Len += x.Len
			} else {
				all = append(all, x)
			}
		}
		require.LessOrEqual(t, off, end)
	}
	return all
}

// requireState checks that e is of one state.
func requireState(t *testing.T, a backstore.Abilities, e backstore.Extent, state backstore.MapState) {
	t.Helper()
	require.Equal(t, []backstore.MappedExtent{{Extent: e, State: state}}, extents(t, a, e, 64))
}

func (s *suite) testCopy(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		src := backstore.Extent{Off: base, Len: e.Len}
		if e.Off < base+e.Len {
			src.Off = base + int64(len(want)) - e.Len
		}
		if src.Off < e.Off+e.Len && e.Off < src.Off+src.Len {
			return // they would overlap
		}
		require.NoError(t, native(b).copyRange(t.Context(), e.Off, src.Off, e.Len))
		copy(part(want, base, e), part(want, base, src))
	})
	require.ErrorIs(t, a.Copier.CopyRange(t.Context(), 0, plain{b}, 0, int64(b.Geometry().BlockSize)), errors.ErrUnsupported)
}

func (s *suite) testNotify(t *testing.T, _ backstore.Backstore, a backstore.Abilities) {
	stop := a.Notifier.Notify(func(backstore.Event) {})
	other := a.Notifier.Notify(func(backstore.Event) {})
	stop()
	stop()
	other()
}

func (s *suite) testIdentity(t *testing.T, _ backstore.Backstore, a backstore.Abilities) {
	id := a.Identifier.Identity()
	require.Equal(t, id, a.Identifier.Identity())
	require.Contains(t, []int{0, 8, 16}, len(id.NAA))
	require.Contains(t, []int{0, 8, 12, 16}, len(id.EUI64))
	for _, c := range []byte(id.Serial) {
		require.True(t, c >= 0x20 && c <= 0x7E, "the serial number is printable ASCII")
	}
}

func (s *suite) testSubmit(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	rng := newRand(t)
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		got := make([]byte, len(p))
		require.NoError(t, backstore.Wait(t.Context(), a.Submitter, backstore.OpRead, split(rng, got), e.Off, 0))
		requireSame(t, p, got, e.Off, "OpRead")
		fill(rng, p)
		require.NoError(t, backstore.Wait(t.Context(), a.Submitter, backstore.OpWrite, split(rng, p), e.Off, 0))
		if a.FUAWriter != nil {
			fill(rng, p)
			require.NoError(t, backstore.WaitFUA(t.Context(), a.Submitter, split(rng, p), e.Off))
		}
		if a.Flusher != nil {
			require.NoError(t, backstore.Wait(t.Context(), a.Submitter, backstore.OpFlush, nil, e.Off, e.Len))
		}
		if a.Unmapper != nil {
			require.NoError(t, backstore.WaitUnmap(t.Context(), a.Submitter, []backstore.Extent{e}))
			clear(p)
		}
		if a.Zeroer != nil {
			require.NoError(t, backstore.WaitZero(t.Context(), a.Submitter, e.Off, e.Len, true))
			clear(p)
		}
	})
	bad := backstore.Wait(t.Context(), a.Submitter, backstore.OpRead, [][]byte{make([]byte, 1)}, 0, 0)
	require.ErrorIs(t, bad, backstore.ErrMisaligned)
}
