package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindows(t *testing.T) {
	a, b := newWindows(10*time.Millisecond, 35*time.Millisecond), newWindows(10*time.Millisecond, 35*time.Millisecond)
	for _, at := range []time.Duration{0, 9, 10, 29, 30, 34, 1000} {
		a.add(at * time.Millisecond)
	}
	b.add(25 * time.Millisecond)
	a.merge(&b)
	require.Equal(t, []uint32{2, 1, 2}, a.counts, "what is not a whole window does not count")
	none := newWindows(0, time.Second)
	none.add(1)
	require.Empty(t, none.counts)
}
