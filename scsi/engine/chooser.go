package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/goscst/goscst/fabric"
)

// chooser finds the first group of a target, in the order of their creation, that has a
// pattern for a name. Patterns that are plain names cost nothing, however many there are. The
// zero value has no patterns. The target's lock guards it.
type chooser struct {
	exact map[string][]*Group // by the name that is the pattern, in lower case
	globs []*Group            // those with other patterns, in the order of their creation
}

// isName reports whether a pattern fits one name only.
func isName(pattern string) bool {
	return !strings.HasPrefix(pattern, "!") && !strings.ContainsAny(pattern, "*?")
}

func bySeq(a, b *Group) int { return cmp.Compare(a.seq, b.seq) }

// add gives g a pattern.
func (c *chooser) add(g *Group, pattern string) {
	if isName(pattern) {
		key := strings.ToLower(pattern)
		if c.exact == nil {
			c.exact = make(map[string][]*Group)
		}
		c.exact[key] = append(c.exact[key], g)
		return
	}
	if len(g.globs) == 0 {
		i, _ := slices.BinarySearchFunc(c.globs, g, bySeq)
		c.globs = slices.Insert(c.globs, i, g)
	}
	g.globs = append(g.globs, pattern)
}

// remove takes a pattern of g back.
func (c *chooser) remove(g *Group, pattern string) {
	if isName(pattern) {
		key := strings.ToLower(pattern)
		list := c.exact[key]
		if i := slices.Index(list, g); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
		if c.exact[key] = list; len(list) == 0 {
			delete(c.exact, key)
		}
		return
	}
	if i := slices.Index(g.globs, pattern); i >= 0 {
		g.globs = slices.Delete(g.globs, i, i+1)
	}
	if len(g.globs) == 0 {
		if i, ok := slices.BinarySearchFunc(c.globs, g, bySeq); ok {
			c.globs = slices.Delete(c.globs, i, i+1)
		}
	}
}

// find returns the group for a name; nil if there is none.
func (c *chooser) find(name string) *Group {
	var first *Group
	if len(c.exact) > 0 {
		for _, g := range c.exact[strings.ToLower(name)] {
			if first == nil || g.seq < first.seq {
				first = g
			}
		}
	}
	for _, g := range c.globs {
		if first != nil && g.seq > first.seq {
			break
		}
		for _, p := range g.globs {
			if fabric.Match(p, name) {
				return g
			}
		}
	}
	return first
}
