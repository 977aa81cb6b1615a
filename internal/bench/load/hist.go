package load

import (
	"math/bits"
	"time"
)

// Buckets of a hist: one for each nanosecond below 128, then 64 for each power of two, which
// keeps the error below 1.6 %.
const (
	fine    = 6
	buckets = (64-fine-1)<<fine + 2<<fine
)

// hist counts durations.
type hist struct {
	counts [buckets]uint64
	total  uint64
}

// add counts n times d.
func (h *hist) add(d time.Duration, n uint64) {
	h.counts[bucket(uint64(max(d, 0)))] += n
	h.total += n
}

// merge adds what other counted.
func (h *hist) merge(other *hist) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile returns the duration that a part q of all, 0 to 1, does not exceed.
func (h *hist) quantile(q float64) time.Duration {
	want := q * float64(h.total)
	var sum uint64
	for i, n := range h.counts {
		if sum += n; n > 0 && float64(sum) >= want {
			return middle(i)
		}
	}
	return 0
}

func bucket(ns uint64) int {
	shift := max(bits.Len64(ns)-fine-1, 0)
	return shift<<fine + int(ns>>shift)
}

// middle returns the middle of bucket i.
func middle(i int) time.Duration {
	if i < 2<<fine {
		return time.Duration(i)
	}
	shift := i>>fine - 1
	low := uint64(i-shift<<fine) << shift
	return time.Duration(low + uint64(1)<<shift/2)
}
