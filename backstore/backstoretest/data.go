package backstoretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// testPatterns writes every block of the windows with its own address, in several lengths, and
// reads it back in others.
func (s *suite) testPatterns(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	bs := int64(g.BlockSize)
	for _, w := range windows(g) {
		data := make([]byte, w.Len)
		for round, step := range []int64{bs, 3 * bs, 16 * bs, maxIO(g)} {
			step = min(step, maxIO(g))
			for at := int64(0); at < w.Len; at += 8 {
				binary.BigEndian.PutUint64(data[at:], uint64(w.Off+at)^uint64(round)<<56)
			}
			for at := int64(0); at < w.Len; at += step {
				require.NoError(t, b.Writev(t.Context(), [][]byte{data[at:min(w.Len, at+step)]}, w.Off+at))
			}
			requireSame(t, data, mustRead(t, b, w.Off, w.Len), w.Off, "in the largest pieces")
			for at := int64(0); at < w.Len; at += 7 * bs {
				n := min(5*bs, w.Len-at, maxIO(g))
				requireSame(t, data[at:at+n], mustRead(t, b, w.Off+at, n), w.Off+at, "in pieces")
			}
		}
	}
}

// testVectors moves random ranges in random vectors.
func (s *suite) testVectors(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	rng := newRand(t)
	for _, w := range windows(g) {
		want := make([]byte, w.Len)
		fill(rng, want)
		mustWrite(t, b, want, w.Off)
		for range s.Ops / 4 {
			at, n := randomRange(rng, g, w)
			if rng.IntN(2) == 0 {
				data := make([]byte, n)
				fill(rng, data)
				require.NoError(t, b.Writev(t.Context(), split(rng, data), w.Off+at))
				copy(want[at:], data)
			} else {
				got := make([]byte, n)
				require.NoError(t, b.Readv(t.Context(), split(rng, got), w.Off+at))
				requireSame(t, want[at:at+n], got, w.Off+at, "vector")
			}
		}
		requireSame(t, want, mustRead(t, b, w.Off, w.Len), w.Off, "in the end")
	}
}

// testIovNotKept changes memory after the calls, in both directions, and looks at the headers.
func (s *suite) testIovNotKept(t *testing.T) {
	b := s.store(t)
	bs := b.Geometry().BlockSize
	rng := newRand(t)
	want, buf := make([]byte, 4*bs), make([]byte, 4*bs)
	fill(rng, want)
	copy(buf, want)
	iov := [][]byte{buf[:100], buf[100:100], buf[100 : bs+7], buf[bs+7:]}
	headers := slices.Clone(iov)
	require.NoError(t, b.Writev(t.Context(), iov, 0))
	requireSame(t, want, buf, 0, "the memory of Writev")
	requireHeaders(t, headers, iov)
	clear(buf)
	requireSame(t, want, mustRead(t, b, 0, int64(len(want))), 0, "after the memory of Writev changed")

	require.NoError(t, b.Readv(t.Context(), iov, 0))
	requireHeaders(t, headers, iov)
	requireSame(t, want, buf, 0, "read")
	clear(buf)
	requireSame(t, want, mustRead(t, b, 0, int64(len(want))), 0, "after the memory of Readv changed")
	other := bytes.Repeat([]byte{0xA5}, len(want))
	require.NoError(t, b.Writev(t.Context(), [][]byte{other}, 0))
	requireSame(t, make([]byte, len(buf)), buf, 0, "the memory of an earlier Readv")
}

func requireHeaders(t *testing.T, want, got [][]byte) {
	t.Helper()
	require.Equal(t, len(want), len(got))
	for i := range want {
		same := len(want[i]) == len(got[i]) && (len(want[i]) == 0 || &want[i][0] == &got[i][0])
		require.True(t, same, "the store changed element %d of iov", i)
	}
}

// testDisjoint: what one goroutine does to its part does not disturb the others.
func (s *suite) testDisjoint(t *testing.T) {
	const workers = 8
	b := s.store(t)
	g := b.Geometry()
	w := windows(g)[0]
	part := w.Len / workers / int64(g.BlockSize) * int64(g.BlockSize)
	rng := newRand(t)
	var wg sync.WaitGroup
	for i := range int64(workers) {
		rng := randFrom(rng)
		wg.Go(func() {
			mine := backstore.Extent{Off: i * part, Len: part}
			want := make([]byte, part)
			if err := b.Writev(context.Background(), [][]byte{want[:min(part, maxIO(g))]}, mine.Off); err != nil {
				t.Error(err)
				return
			}
			known := min(part, maxIO(g))
			for range s.Ops / 8 {
				at, n := randomRange(rng, g, backstore.Extent{Len: known})
				data := make([]byte, n)
				fill(rng, data)
				if err := b.Writev(context.Background(), split(rng, data), mine.Off+at); err != nil {
					t.Error(err)
					return
				}
				copy(want[at:], data)
				got := make([]byte, known)
				if err := b.Readv(context.Background(), [][]byte{got}, mine.Off); err != nil {
					t.Error(err)
					return
				}
				if !bytes.Equal(got, want[:known]) {
					t.Errorf("goroutine %d reads what it did not write", i)
					return
				}
			}
		})
	}
	wg.Wait()
}

// testOverlapping: goroutines write their own mark to the same blocks while others read. In the end
// no block shows two marks, and with WholeReads none ever does.
func (s *suite) testOverlapping(t *testing.T) {
	const blocks = 24
	b := s.store(t)
	g := b.Geometry()
	bs := g.BlockSize
	w := backstore.Extent{Len: min(int64(blocks*bs), maxIO(g))}
	mustWrite(t, b, make([]byte, w.Len), 0)
	rng := newRand(t)
	var wg sync.WaitGroup
	for i := range 4 {
		writer, reader := randFrom(rng), randFrom(rng)
		wg.Go(func() {
			for k := range s.Ops / 2 {
				at, n := randomRange(writer, g, w)
				data := bytes.Repeat([]byte{byte(1 + i*61 + k%61)}, int(n))
				if err := b.Writev(context.Background(), split(writer, data), at); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for range s.Ops / 2 {
				at, n := randomRange(reader, g, w)
				data := make([]byte, n)
				if err := b.Readv(context.Background(), split(reader, data), at); err != nil {
					t.Error(err)
					return
				}
				if err := uniform(data, bs); err != nil && s.WholeReads {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, uniform(mustRead(t, b, 0, w.Len), bs))
}

// uniform checks that each block holds one byte value.
func uniform(data []byte, bs int) error {
	for ; len(data) > 0; data = data[bs:] {
		if n := bytes.Count(data[:bs], data[:1]); n != bs {
			return fmt.Errorf("a block is torn: %d of %d bytes are %#02x", n, bs, data[0])
		}
	}
	return nil
}

func (s *suite) testZeroAlloc(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	for _, n := range []int64{4 << 10, 256 << 10} {
		if n = min(n, maxIO(g), g.Size); n < int64(g.BlockSize) {
			continue
		}
		buf := make([]byte, n)
		var iov [][]byte
		for at := int64(0); at < n; at += 64 << 10 {
			iov = append(iov, buf[at:min(n, at+64<<10)])
		}
		ctx := context.Background()
		check := func(what string, do func() error) {
			require.NoError(t, do())
			var err error
			allocs := testing.AllocsPerRun(100, func() {
				if e := do(); e != nil {
					err = e
				}
			})
			require.NoError(t, err)
			require.Zero(t, allocs, "%s of %d bytes", what, n)
		}
		if !g.ReadOnly {
			check("Writev", func() error { return b.Writev(ctx, iov, 0) })
		}
		check("Readv", func() error { return b.Readv(ctx, iov, 0) })
		a := backstore.Resolve(b)
		if a.FUAWriter != nil && !g.ReadOnly {
			check("WritevFUA", func() error { return a.FUAWriter.WritevFUA(ctx, iov, 0) })
		}
		if a.Nowait != nil {
			check("TryReadv", func() error { return notBlocked(a.Nowait.TryReadv(iov, 0)) })
			if !g.ReadOnly {
				check("TryWritev", func() error { return notBlocked(a.Nowait.TryWritev(iov, 0)) })
			}
		}
		if a.Lender != nil {
			dst := make([][]byte, 0, 64)
			check("Lend", func() error {
				if _, release, ok := a.Lender.Lend(0, n, dst); ok {
					release()
				}
				return nil
			})
		}
		if a.MapLender != nil {
			dst := make([][]byte, 0, 64)
			check("LendMapped", func() error {
				a.MapLender.Intact()
				if _, release, ok := a.MapLender.LendMapped(0, n, dst); ok {
					release()
				}
				return nil
			})
		}
	}
}
