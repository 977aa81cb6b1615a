package osfile

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCalls compares with a list of all that ever began.
func TestCalls(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var c Calls
	var over []bool
	type open struct {
		k *Call
		n int
	}
	var calls []open
	for range 2000 {
		if len(calls) == 0 || rng.IntN(2) == 0 {
			calls = append(calls, open{c.Begin(), len(over)})
			over = append(over, false)
			continue
		}
		i := rng.IntN(len(calls))
		require.EqualValues(t, len(over), c.End(calls[i].k))
		over[calls[i].n] = true
		calls[i] = calls[len(calls)-1]
		calls = calls[:len(calls)-1]
		all := true
		for n := range over {
			require.Equal(t, all, c.Over(uint64(n)), "%d of %d", n, len(over))
			all = all && over[n]
		}
		require.Equal(t, all, c.Over(uint64(len(over))))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { c.End(c.Begin()) }))
}
