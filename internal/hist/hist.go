package hist

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets is the number of buckets. Bucket 0 counts values <= 0, bucket i > 0 those in
// [1<<(i-1), 1<<i).
const Buckets = 64

// Hist is a histogram of int64 values: nanoseconds, bytes, queue depths. The zero value is empty
// and ready for use. Safe for concurrent use; it must not be copied.
type Hist struct {
	counts [Buckets]atomic.Uint64
	sum    atomic.Uint64
	max    atomic.Int64
}

// Record counts v; negative values (a clock that was set) count as 0. It does not block.
func (h *Hist) Record(v int64) {
	v = max(v, 0)
	h.counts[bits.Len64(uint64(v))].Add(1)
	h.sum.Add(uint64(v))
	for m := h.max.Load(); v > m; m = h.max.Load() {
		if h.max.CompareAndSwap(m, v) {
			return
		}
	}
}

// RecordSince counts the nanoseconds since start.
func (h *Hist) RecordSince(start time.Time) { h.Record(int64(time.Since(start))) }

// Snapshot returns the values recorded so far. A Record that runs meanwhile may be in part of it.
func (h *Hist) Snapshot() Snapshot {
	var s Snapshot
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
	}
	s.Sum = h.sum.Load()
	s.Max = h.max.Load()
	return s
}

// Reset empties h. Values recorded meanwhile may be lost in part.
func (h *Hist) Reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
	h.sum.Store(0)
	h.max.Store(0)
}
