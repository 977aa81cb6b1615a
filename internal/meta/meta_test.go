package meta_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/meta"
)

var (
	seedFlag = flag.Uint64("meta.seed", 0, "seed of the lists of commands; 0: another one each time")
	sizeFlag = flag.Int("meta.batches", 60, "batches of commands in a list")
	allFlag  = flag.Bool("meta.all", false, "run every combination, not only a choice of them")
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestTranscriptsAreEqual runs one list in many set-ups.
func TestTranscriptsAreEqual(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat this: go test ./internal/meta -meta.seed=%d -meta.batches=%d", seed, *sizeFlag)
	rnd := rand.New(rand.NewPCG(seed, 2))
	d := meta.Disk{Blocks: 4096, BlockSize: 512}
	if rnd.IntN(4) == 0 {
		d.BlockSize = 4096
	}
	list := meta.Generate(seed, *sizeFlag, d)
	first := setup{"mem", 1, "default", "local"}
	want := first.run(t, d, list)
	require.Empty(t, meta.Wrong(want), "%v, seed %d", first, seed)
	for _, s := range choose(rnd) {
		t.Run(s.String(), func(t *testing.T) {
			got := s.run(t, d, list)
			require.Empty(t, meta.Wrong(got), "seed %d", seed)
			require.Empty(t, meta.Difference(want, got), "%v and %v, seed %d", first, s, seed)
		})
	}
}

// choose returns set-ups in which each value of each dimension meets each value of every
// other one at least once, or all of them.
func choose(rnd *rand.Rand) []setup {
	var all []setup
	for _, st := range stores {
		for _, w := range workers {
			for p := range pools {
				for _, tr := range transports {
					all = append(all, setup{st, w, p, tr})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b setup) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	if *allFlag {
		return all
	}
	rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	seen := make(map[[2]any]bool)
	var list []setup
	for _, s := range all {
		fresh := false
		for _, pair := range s.pairs() {
			fresh = fresh || !seen[pair]
			seen[pair] = true
		}
		if fresh {
			list = append(list, s)
		}
	}
	return list
}

// pairs are the values of two dimensions each that meet in s.
func (s setup) pairs() [][2]any {
	return [][2]any{{s.store, s.workers}, {s.store, s.pool}, {s.store, s.transport}, {s.workers, s.pool}, {s.workers, s.transport}, {s.pool, s.transport}}
}

func TestAListIsMadeOfItsSeed(t *testing.T) {
	d := meta.Disk{Blocks: 4096, BlockSize: 512}
	require.Equal(t, meta.Generate(7, 20, d), meta.Generate(7, 20, d))
	require.NotEqual(t, meta.Generate(7, 20, d), meta.Generate(8, 20, d))
}

// TestABrokenStoreIsFound wants to see what the test above is good for.
func TestABrokenStoreIsFound(t *testing.T) {
	d := meta.Disk{Blocks: 4096, BlockSize: 512}
	list := meta.Generate(9, 60, d)
	s := setup{"mem", 1, "default", "local"}
	good := s.run(t, d, list)
	require.Empty(t, meta.Wrong(good))
	s.store = "broken"
	bad := s.run(t, d, list)
	require.NotEmpty(t, meta.Wrong(bad))
	require.Contains(t, meta.Difference(good, bad), "WRONG")
	require.Contains(t, meta.Difference(good, good[1:]), "line 0")
	require.Contains(t, meta.Difference(good, good[:9]), "lines and 9 lines")
	require.Empty(t, meta.Difference(good, good))
}
