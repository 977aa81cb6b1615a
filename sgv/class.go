package sgv

import "math/bits"

const (
	// minClass is the smallest capacity in bytes. Segments are page aligned, so that a smaller
	// class would not use less memory, and 4 KiB is also the most frequent transfer length: one
	// class for both keeps its buffers warm.
	minClass = 4 << 10
	// maxClass is the largest capacity in bytes that is cached by default.
	maxClass = 4 << 20

	maxClasses = 11             // 4 KiB … 4 MiB
	bigClass   = maxClasses     // index of buffers too large to be cached
	wrapClass  = maxClasses + 1 // index of buffers made by Pool.Wrap
	numClasses = maxClasses + 2

	// wrapCost is what an idle header of wrapClass counts against Options.MaxCached, in bytes.
	wrapCost = 256
)

// classes maps lengths to size classes.
type classes struct {
	n     int // number of cached classes
	min   int // capacity of class 0, bytes
	shift int // class c > 0 holds lengths with bits.Len(n-1) == c+shift
}

func newClasses(fixed, align int) classes {
	if fixed > 0 {
		// With shift 0 every longer length maps to a class beyond the only one.
		return classes{n: 1, min: roundUp(fixed, align)}
	}
	smallest := max(minClass, align)
	c := classes{min: smallest, shift: bits.Len(uint(smallest - 1))}
	for size := smallest; size <= maxClass; size <<= 1 {
		c.n++
	}
	return c
}

// of returns the class for n bytes, bigClass if none is large enough.
func (c *classes) of(n int) int {
	if n <= c.min {
		return 0
	}
	i := bits.Len(uint(n-1)) - c.shift
	if i >= c.n {
		return bigClass
	}
	return i
}

// size returns the capacity in bytes of cached class i.
func (c *classes) size(i int) int { return c.min << i }

// roundUp rounds n up to a multiple of align, a power of two.
func roundUp(n, align int) int { return (n + align - 1) &^ (align - 1) }

// ceilPow2 returns the smallest power of two that is at least n, for 1 <= n <= 1<<30.
func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
