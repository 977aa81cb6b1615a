package hist

import (
	"fmt"
	"math"
	"time"
)

// Snapshot is the content of a Hist at one time. It is a plain value; the zero value is empty.
type Snapshot struct {
	Counts [Buckets]uint64 // see Buckets
	Sum    uint64          // of all values; it wraps around
	Max    int64           // the largest value
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
func (s *Snapshot) Count() uint64 {
	var n uint64
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// Mean returns the average value, 0 if there is none.
func (s *Snapshot) Mean() float64 {
	n := s.Count()
	if n == 0 {
		return 0
	}
	return float64(s.Sum) / float64(n)
}

// Quantile returns a value v such that about the share q (0 to 1) of all values is not larger. Within
// a bucket values are taken to be spread evenly; the result never exceeds Max. It is 0 without values.
func (s *Snapshot) Quantile(q float64) int64 {
	n := s.Count()
	if n == 0 || math.IsNaN(q) {
		return 0
	}
	if q >= 1 {
		return s.Max
	}
	rank := max(q, 0) * float64(n)
	var below float64
	for i, c := range s.Counts {
		if c == 0 || below+float64(c) < rank {
			below += float64(c)
			continue
		}
		if i == 0 {
			return 0
		}
		lo, hi := Bounds(i)
		hi = min(hi, max(s.Max, lo))
		// The float may round up to what does not fit in an int64 next to lo.
		return lo + min(hi-lo, int64(float64(hi-lo)*max(rank-below, 0)/float64(c)))
	}
	return s.Max
}

// Merge adds the values of o to s.
func (s *Snapshot) Merge(o *Snapshot) {
	for i, c := range o.Counts {
		s.Counts[i] += c
	}
	s.Sum += o.Sum
	s.Max = max(s.Max, o.Max)
}

// Sub returns what was recorded between the earlier snapshot o of the same Hist and s. Its Max is
// that of s, or the end of its highest bucket if that is lower.
func (s *Snapshot) Sub(o *Snapshot) Snapshot {
	d := Snapshot{Sum: s.Sum - o.Sum}
	for i, c := range s.Counts {
		if c > o.Counts[i] {
			d.Counts[i] = c - o.Counts[i]
			_, hi := Bounds(i)
			d.Max = min(s.Max, hi-1)
		}
	}
	if d.Counts[Buckets-1] > 0 {
		d.Max = s.Max
	}
	return d
}

// String shows count, mean, quantiles and maximum of a histogram of nanoseconds.
func (s *Snapshot) String() string {
	d := func(ns int64) time.Duration { return time.Duration(ns) }
	return fmt.Sprintf("n=%d mean=%v p50=%v p99=%v max=%v", s.Count(),
		d(int64(s.Mean())), d(s.Quantile(0.5)), d(s.Quantile(0.99)), d(s.Max))
}
