package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/bench/load"
)

// TestIsolation measures for a moment, and does not look at how fast anything was.
func TestIsolation(t *testing.T) {
	var out, log bytes.Buffer
	err := command(t.Context(), []string{
		"isolation", "-n", "1", "-s", "0.05", "-m", "one", "-cpus", cpus(t), "-w", "stuck-same,flood-slow,changes",
	}, nil, &out, &log)
	require.NoError(t, err, "%s\n%s", log.String(), out.String())
	for _, scene := range []string{"stuck-same", "flood-slow", "changes"} {
		require.Regexp(t, `\| `+scene+` \| \d+ \| \d+ \| (\d+\.\d\d|–) \| \d+ \| \d+ \|`, out.String())
	}
}

func TestDips(t *testing.T) {
	r := make(results)
	p := place{"split", "changes", sideBad}
	low, below := r.dips(p)
	require.Zero(t, low+below)
	r.add(p, sample{failed: "no"})
	r.add(p, sample{result: &load.Result{Windows: []uint32{100, 100, 50, 90, 89, 110, 120, 100, 100, 100}}})
	low, below = r.dips(p)
	require.Equal(t, 0.5, low)
	require.Equal(t, 0.2, below)
}
