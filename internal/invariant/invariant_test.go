package invariant_test

import (
	"testing"

	"github.com/goscst/goscst/internal/invariant"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	require.NotPanics(t, func() { invariant.Check(true, "holds") })
	broken := func() { invariant.Check(false, "does not hold") }
	if invariant.Enabled {
		require.PanicsWithValue(t, "invariant violated: does not hold", broken)
	} else {
		require.NotPanics(t, broken)
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	n := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n++
		invariant.Check(n > 0, "n grows")
	}))
}

func ExampleCheck() {
	inFlight := 3
	inFlight--
	invariant.Check(inFlight >= 0, "more commands ended than began")
	// Output:
}
