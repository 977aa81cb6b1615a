package faultstore_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/backstore/mem"
)

const blocks = 32

// TestCut: after a power cut each block has one of the contents that it had since it was durable.
func TestCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, loss := range []faultstore.Loss{faultstore.LossRandom, faultstore.LossAll, faultstore.LossSince, faultstore.LossScattered} {
		for i := range uint64(30) {
			checkCut(t, loss, seed+i)
		}
	}
}

func checkCut(t *testing.T, loss faultstore.Loss, seed uint64) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(seed, 0))
	s := faultstore.New(mem.New(1<<20), &faultstore.Options{PowerCut: true, Loss: loss, Seed: seed})
	possible := make([][]byte, blocks) // the first of each is durable
	for i := range possible {
		possible[i] = []byte{0}
	}
	for range 60 {
		at := rng.Int64N(blocks)
		n := 1 + rng.Int64N(min(4, blocks-at))
		mark := byte(1 + rng.IntN(255))
		e := backstore.Extent{Off: at * 512, Len: n * 512}
		data := [][]byte{bytes.Repeat([]byte{mark}, int(e.Len))}
		durable := false
		switch rng.IntN(8) {
		case 0:
			require.NoError(t, s.WritevFUA(ctx, data, e.Off))
			durable = true
		case 1:
			require.NoError(t, s.Flush(ctx, e.Off, e.Len))
			for b := at; b < at+n; b++ {
				possible[b] = possible[b][len(possible[b])-1:]
			}
			continue
		case 2:
			mark = 0
			require.NoError(t, s.Unmap(ctx, []backstore.Extent{e}))
		case 3:
			mark = 0
			require.NoError(t, s.WriteZeroes(ctx, e.Off, e.Len, false))
		case 4:
			require.NoError(t, s.WriteSame(ctx, data[0][:512], e.Off, e.Len))
		default:
			require.NoError(t, s.Writev(ctx, data, e.Off))
		}
		for b := at; b < at+n; b++ {
			if durable {
				possible[b] = nil
			}
			possible[b] = append(possible[b], mark)
		}
	}
	after, err := s.Cut()
	require.NoError(t, err)
	defer after.Close()
	got := make([]byte, blocks*512)
	require.NoError(t, after.Readv(ctx, [][]byte{got}, 0))
	for b, marks := range possible {
		block := got[b*512 : b*512+512]
		require.Equal(t, 512, bytes.Count(block, block[:1]), "block %d is torn", b)
		require.Contains(t, marks, block[0], "seed %d, loss %d: block %d", seed, loss, b)
		if loss == faultstore.LossAll {
			require.Equal(t, marks[0], block[0], "seed %d: block %d was not durable", seed, b)
		}
	}
	require.Zero(t, after.Unflushed())
}

// TestCutIsSeeded: the same calls and the same seed give the same contents, other seeds others.
func TestCutIsSeeded(t *testing.T) {
	image := func(seed uint64) string {
		s := faultstore.New(mem.New(1<<20), &faultstore.Options{PowerCut: true, Seed: seed})
		for i := range byte(8) {
			require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{i + 1}, 4096)}, int64(i)*2048))
		}
		require.Positive(t, s.Unflushed())
		after, err := s.Cut()
		require.NoError(t, err)
		defer after.Close()
		got := make([]byte, 64<<10)
		require.NoError(t, after.Readv(t.Context(), [][]byte{got}, 0))
		return string(got)
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		first := image(seed)
		require.Equal(t, first, image(seed))
		seen[first] = true
	}
	require.Greater(t, len(seen), 3, "the seed changes little")
}

// TestCutStopsEverything: what is stuck at the moment of the cut does not reach the medium later.
func TestCutStopsEverything(t *testing.T) {
	s := faultstore.New(mem.New(1<<20), &faultstore.Options{
		PowerCut: true, Loss: faultstore.LossAll,
		Rules: []faultstore.Rule{{Ops: faultstore.OpAny, From: 2, Stick: true}},
	})
	iov := [][]byte{bytes.Repeat([]byte{5}, 512)}
	require.NoError(t, s.WritevFUA(t.Context(), iov, 0))
	done := make(chan error, 3)
	late := [][]byte{bytes.Repeat([]byte{6}, 512)}
	go func() { done <- s.Writev(context.Background(), late, 0) }()
	go func() { done <- s.WritevFUA(context.Background(), late, 0) }()
	go func() { done <- s.Flush(context.Background(), 0, 0) }()
	require.NoError(t, s.WaitStuck(t.Context(), 3))
	after, err := s.Cut()
	require.NoError(t, err)
	defer after.Close()
	require.Equal(t, 3, s.Release(-1))
	for range 3 {
		require.ErrorIs(t, <-done, backstore.ErrNotReady)
	}
	_, err = s.Cut()
	require.ErrorIs(t, err, backstore.ErrNotReady)
	got := make([]byte, 512)
	require.NoError(t, after.Readv(t.Context(), [][]byte{got}, 0))
	require.Equal(t, iov[0], got)
}

// TestFailedFlushKeepsHistory: what a failed flush has not made durable can still be lost.
func TestFailedFlushKeepsHistory(t *testing.T) {
	inner := faultstore.New(mem.New(1<<20), &faultstore.Options{Rules: []faultstore.Rule{{Ops: faultstore.OpFlush, Err: faultstore.ErrInjected}}})
	s := faultstore.New(inner, &faultstore.Options{PowerCut: true, Loss: faultstore.LossAll})
	require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{5}, 512)}, 0))
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), faultstore.ErrInjected)
	require.EqualValues(t, 512, s.Unflushed())
	after, err := s.Cut()
	require.NoError(t, err)
	defer after.Close()
	got := make([]byte, 512)
	require.NoError(t, after.Readv(t.Context(), [][]byte{got}, 0))
	require.Equal(t, make([]byte, 512), got)
}

func Example() {
	ctx := context.Background()
	rules, err := faultstore.ParseRules("read nth=2 error=io")
	if err != nil {
		panic(err)
	}
	s := faultstore.New(mem.New(1<<20), &faultstore.Options{Rules: rules, PowerCut: true, Loss: faultstore.LossAll})
	block := [][]byte{[]byte(fmt.Sprintf("%512s", "durable"))}
	fmt.Println(s.Writev(ctx, block, 0), s.Flush(ctx, 0, 0))
	fmt.Println(s.Writev(ctx, [][]byte{make([]byte, 512)}, 0), s.Unflushed(), "bytes may be lost")
	fmt.Println(s.Readv(ctx, block, 0))
	fmt.Println(s.Readv(ctx, block, 0))

	after, err := s.Cut()
	if err != nil {
		panic(err)
	}
	defer after.Close()
	fmt.Println(after.Readv(ctx, block, 0), string(block[0][505:]))
	// Output:
	// <nil> <nil>
	// <nil> 512 bytes may be lost
	// <nil>
	// faultstore: injected error
	// <nil> durable
}
