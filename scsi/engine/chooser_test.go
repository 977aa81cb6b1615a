package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
)

// TestChooser compares a chooser with asking every pattern of every group in turn.
func TestChooser(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	names := []string{"iqn.a", "IQN.A", "iqn.b", "iqn.ab", "", "x"}
	patterns := []string{"iqn.a", "IQN.a", "iqn.b", "x", "*", "iqn.*", "iqn.?", "!iqn.a", "!x", "*b", "none"}
	for range 200 {
		var c chooser
		groups := make([]*Group, 6)
		for i := range groups {
			groups[i] = &Group{name: fmt.Sprint(i), seq: uint64(i + 1)}
		}
		for range 60 {
			g, p := groups[rng.IntN(len(groups))], patterns[rng.IntN(len(patterns))]
			if i := slices.Index(g.patterns, p); i < 0 {
				g.patterns = append(g.patterns, p)
				c.add(g, p)
			} else {
				g.patterns = slices.Delete(g.patterns, i, i+1)
				c.remove(g, p)
			}
			for _, name := range names {
				var want *Group
				for _, g := range slices.Backward(groups) {
					if slices.ContainsFunc(g.patterns, func(p string) bool { return fabric.Match(p, name) }) {
						want = g
					}
				}
				require.Same(t, want, c.find(name), name)
			}
		}
		for _, g := range groups {
			for _, p := range g.patterns {
				c.remove(g, p)
			}
		}
		require.Empty(t, c.exact)
		require.Empty(t, c.globs)
	}
}

func TestNexusList(t *testing.T) {
	var s nexusList
	n := make([]nexus, 3)
	for i := range n {
		s.add(&n[i], &n[i].ofDevice)
	}
	require.Equal(t, []*nexus{&n[0], &n[1], &n[2]}, slices.Collect(s.all))
	s.remove(&n[1].ofDevice)
	require.Equal(t, []*nexus{&n[0], &n[2]}, slices.Collect(s.all))
	s.add(&n[1], &n[1].ofDevice)
	s.remove(&n[0].ofDevice)
	require.Equal(t, []*nexus{&n[2], &n[1]}, slices.Collect(s.all))
	s.remove(&n[1].ofDevice)
	s.remove(&n[2].ofDevice)
	require.Empty(t, slices.Collect(s.all))
	require.Equal(t, nexusList{}, s)
}
