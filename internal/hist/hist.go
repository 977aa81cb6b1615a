package hist

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Buckets is the number of buckets. Bucket 0 counts values <= 0, bucket i > 0 those in
// [1<<(i-1), 1<<i).
const Buckets = 64

// Hist is a histogram of int64 values: nanoseconds, bytes, queue depths. It is a plain value, to be
// copied and guarded like one; the zero value is empty and ready for use.
type Hist struct {
	Counts [Buckets]uint64 // see Buckets
	Sum    uint64          // of all values; it wraps around
	Max    int64           // the largest value
}

// Record counts v; negative values (a clock that was set) count as 0.
func (h *Hist) Record(v int64) {
	v = max(v, 0)
	h.Counts[bits.Len64(uint64(v))&(Buckets-1)]++
	h.Sum += uint64(v)
	h.Max = max(h.Max, v)
}

// Bounds returns the values that bucket i counts, lo <= v < hi; bucket 0 holds only 0, and the last
// bucket also holds hi, the largest int64.
func Bounds(i int) (lo, hi int64) {
	switch {
	case i <= 0:
		return 0, 1
	case i >= Buckets-1:
		return 1 << (Buckets - 2), math.MaxInt64
	}
	return 1 << (i - 1), 1 << i
}

// Count returns how many values were recorded.
func (h *Hist) Count() uint64 {
	var n uint64
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Mean returns the average value, 0 if there is none.
func (h *Hist) Mean() float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return float64(h.Sum) / float64(n)
}

// Quantile returns a value v such that about the share q (0 to 1) of all values is not larger. Within
// a bucket values are taken to be spread evenly; the result never exceeds Max. It is 0 without values.
func (h *Hist) Quantile(q float64) int64 {
	n := h.Count()
	if n == 0 || math.IsNaN(q) {
		return 0
	}
	if q >= 1 {
		return h.Max
	}
	rank := max(q, 0) * float64(n)
	var below float64
	for i, c := range h.Counts {
		if c == 0 || below+float64(c) < rank {
			below += float64(c)
			continue
		}
		if i == 0 {
			return 0
		}
		lo, hi := Bounds(i)
		hi = min(hi, max(h.Max, lo))
		// The float may round up to what does not fit in an int64 next to lo.
		return lo + min(hi-lo, int64(float64(hi-lo)*max(rank-below, 0)/float64(c)))
	}
	return h.Max
}

// Merge adds the values of o to h.
func (h *Hist) Merge(o *Hist) {
	for i, c := range o.Counts {
		h.Counts[i] += c
	}
	h.Sum += o.Sum
	h.Max = max(h.Max, o.Max)
}

// Sub returns what was recorded between the earlier state o of the same Hist and h. Its Max is
// that of h, or the end of its highest bucket if that is lower.
func (h *Hist) Sub(o *Hist) Hist {
	d := Hist{Sum: h.Sum - o.Sum}
	for i, c := range h.Counts {
		if c > o.Counts[i] {
			d.Counts[i] = c - o.Counts[i]
			_, hi := Bounds(i)
			d.Max = min(h.Max, hi-1)
		}
	}
	if d.Counts[Buckets-1] > 0 {
		d.Max = h.Max
	}
	return d
}

// String shows count, mean, quantiles and maximum of a histogram of nanoseconds.
func (h *Hist) String() string {
	d := func(ns int64) time.Duration { return time.Duration(ns) }
	return fmt.Sprintf("n=%d mean=%v p50=%v p99=%v max=%v", h.Count(),
		d(int64(h.Mean())), d(h.Quantile(0.5)), d(h.Quantile(0.99)), d(h.Max))
}
