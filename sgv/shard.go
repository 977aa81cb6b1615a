package sgv

import "sync"

// shard holds a part of the idle buffers of a pool. A buffer returns to the shard it was taken
// from: Get and Release of one goroutine meet in one place, and a goroutine that only gets does not
// run dry while another fills up. Counters are kept under the same lock, which makes them exact and
// free of further atomic operations.
type shard struct {
	mu     sync.Mutex
	pool   *Pool
	closed bool   // guarded by mu, as is all below
	epoch  uint32 // number of purge sweeps
	idle   int64  // bytes cached here
	quota  int64  // bytes of Options.MaxCached reserved for this shard; idle <= quota
	cls    [numClasses]classState
	_      [128]byte // shards share no cache line, also not a prefetched pair
}

// classState is one size class in one shard.
type classState struct {
	idle               stack
	hits, misses       uint64
	stolen, dropped    uint64
	outstanding, bytes int64 // buffers handed out, and their capacities
}

// out counts b as handed out.
func (c *classState) out(b *Buf) {
	c.outstanding++
	c.bytes += b.size
}

// in counts b as returned.
func (c *classState) in(b *Buf) {
	c.outstanding--
	c.bytes -= b.size
}

// get takes the warmest buffer of class ci, or nil, and counts it.
func (s *shard) get(ci int) *Buf {
	s.mu.Lock()
	c := &s.cls[ci]
	b := c.idle.pop()
	if b == nil {
		s.mu.Unlock()
		return nil
	}
	c.hits++
	c.out(b)
	s.idle -= b.cost()
	s.mu.Unlock()
	return b
}

// steal takes the coldest buffer of class ci for another shard, or nil if there is none at hand.
func (s *shard) steal(ci int) *Buf {
	if !s.mu.TryLock() {
		return nil
	}
	b := s.cls[ci].idle.popCold()
	if b != nil {
		s.idle -= b.cost()
	}
	s.mu.Unlock()
	return b
}

// adopt counts a buffer that was not found in s as handed out by it. It refuses when the pool
// is closed.
func (s *shard) adopt(b *Buf, stolen bool) bool {
	b.home = s
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	c := &s.cls[b.class]
	if stolen {
		c.hits++
		c.stolen++
	} else {
		c.misses++
	}
	c.out(b)
	s.mu.Unlock()
	return true
}

// put takes back a buffer whose last reference is gone: into the cache, or else to the Allocator.
func (s *shard) put(b *Buf) {
	if b.class == wrapClass {
		b.unwrap()
	}
	s.mu.Lock()
	c := &s.cls[b.class]
	c.in(b)
	if b.class == bigClass || s.closed || s.pool.maxCached == 0 {
		s.mu.Unlock()
		s.pool.free(b)
		return
	}
	if s.idle+b.cost() > s.quota && !s.reserve(b.cost()) {
		s.mu.Unlock()
		s.putFull(b)
		return
	}
	s.push(b)
	s.mu.Unlock()
	if !s.pool.armed.Load() {
		s.pool.arm()
	}
}

// push caches b. The caller holds s.mu and has seen to the quota.
func (s *shard) push(b *Buf) {
	b.stamp = s.epoch
	s.idle += b.cost()
	s.cls[b.class].idle.push(b)
}

// putFull is put when the high watermark is reached: it makes room by taking reservations that
// other shards do not use, then by dropping buffers that were not used lately, and drops b itself
// if that does not help.
func (s *shard) putFull(b *Buf) {
	s.pool.reclaim()
	var cold *Buf
	s.mu.Lock()
	ok := !s.closed
	for ok && s.idle+b.cost() > s.quota && !s.reserve(b.cost()) {
		v := s.popColdest(b.class)
		if v == nil {
			ok = false
			break
		}
		v.next, cold = cold, v
	}
	if ok {
		s.push(b)
	} else {
		b.next, cold = cold, b
		s.cls[b.class].dropped++
	}
	s.mu.Unlock()
	s.pool.freeChain(cold)
	if ok && !s.pool.armed.Load() {
		s.pool.arm()
	}
}

// popColdest takes out the buffer that was not used for longest to make room for one of class ci, or
// returns nil if all were used since the last purge sweep. Without sweeps, what is of another class
// counts as old, so that the cache follows a workload that changes. The caller holds s.mu.
func (s *shard) popColdest(ci uint8) *Buf {
	var from *classState
	for i := range s.cls {
		c := &s.cls[i]
		b := c.idle.coldest()
		if b == nil || b.stamp == s.epoch && (s.pool.purgeTime > 0 || b.class == ci) {
			continue
		}
		if from == nil || int32(b.stamp-from.idle.coldest().stamp) < 0 {
			from = c
		}
	}
	if from == nil {
		return nil
	}
	b := from.idle.popCold()
	s.idle -= b.cost()
	from.dropped++
	return b
}

// reserve raises the quota by at least n bytes. The caller holds s.mu.
func (s *shard) reserve(n int64) bool {
	if step := max(n, quotaStep); s.pool.takeQuota(step) {
		s.quota += step
		return true
	}
	if s.pool.takeQuota(n) {
		s.quota += n
		return true
	}
	return false
}

// trimQuota gives back what is reserved and not used. The caller holds s.mu.
func (s *shard) trimQuota() {
	if slack := s.quota - s.idle; slack > 0 {
		s.quota = s.idle
		s.pool.quota.Add(slack)
	}
}

// sweepBatch is how many buffers a sweep takes out at a time, so that it holds the lock for
// microseconds.
const sweepBatch = 128

// sweep takes out buffers that were idle since before the last sweep, or any if all is set, at
// most sweepBatch. It returns them as a chain, with whether there are more, and else with the
// bytes that stay.
func (s *shard) sweep(all bool) (chain *Buf, more bool, left int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := 0
	for i := range s.cls {
		c := &s.cls[i]
		for {
			b := c.idle.coldest()
			if b == nil || !all && b.stamp == s.epoch {
				break
			}
			if taken == sweepBatch {
				return chain, true, 0
			}
			taken++
			c.idle.popCold()
			s.idle -= b.cost()
			b.next, chain = chain, b
		}
		c.idle.shrink()
	}
	s.trimQuota()
	if !all {
		s.epoch++
	}
	return chain, false, s.idle
}
