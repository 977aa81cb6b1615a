package sgv

// Stats is a snapshot of a Pool. Buffers lent through Wrap are not counted, but for Wrapped.
type Stats struct {
	Name             string
	Hits, Misses     uint64 // Gets served from the cache, and by the Allocator
	Refused          uint64 // Gets refused by a Limit or for their length
	Purged           uint64 // buffers dropped because they lay idle
	Idle             uint64 // buffers cached now
	Outstanding      uint64 // buffers handed out now
	IdleBytes        int64  // capacity of the idle buffers
	OutstandingBytes int64  // capacity of the outstanding buffers
	MaxCached        int64  // bytes that may be idle
	Wrapped          uint64 // buffers of Wrap outstanding now
	Classes          []ClassStats
}

// ClassStats is the part of one size class.
type ClassStats struct {
	Size             int    // capacity in bytes; 0 stands for all that is too large to be cached
	Hits, Misses     uint64 // as in Stats
	Stolen           uint64 // hits found in the cache of another CPU
	Dropped          uint64 // buffers not kept because MaxCached was reached
	Idle             uint64
	Outstanding      uint64
	IdleBytes        int64
	OutstandingBytes int64
}

// Stats returns current values. It looks at one shard after the other; the sums are exact if the
// pool is not in use meanwhile.
func (p *Pool) Stats() Stats {
	st := Stats{
		Name:      p.name,
		Refused:   p.refused.Load(),
		Purged:    p.purged.Load(),
		MaxCached: p.maxCached,
		Classes:   make([]ClassStats, p.classes.n+1),
	}
	for i := range p.classes.n {
		st.Classes[i].Size = p.classes.size(i)
	}
	for _, s := range p.shards {
		s.mu.Lock()
		for i := range p.classes.n {
			st.Classes[i].add(&s.cls[i])
		}
		st.Classes[p.classes.n].add(&s.cls[bigClass])
		st.Wrapped += uint64(s.cls[wrapClass].outstanding)
		s.mu.Unlock()
	}
	for i := range st.Classes {
		c := &st.Classes[i]
		c.IdleBytes = int64(c.Idle) * int64(c.Size)
		st.Hits += c.Hits
		st.Misses += c.Misses
		st.Idle += c.Idle
		st.Outstanding += c.Outstanding
		st.IdleBytes += c.IdleBytes
		st.OutstandingBytes += c.OutstandingBytes
	}
	return st
}

func (c *ClassStats) add(s *classState) {
	c.Hits += s.hits
	c.Misses += s.misses
	c.Stolen += s.stolen
	c.Dropped += s.dropped
	c.Idle += uint64(s.idle.n)
	c.Outstanding += uint64(s.outstanding)
	c.OutstandingBytes += s.bytes
}

// outstanding returns the buffers handed out, wrapped ones included, and their bytes.
func (p *Pool) outstanding() (n, size int64) {
	for _, s := range p.shards {
		s.mu.Lock()
		for i := range s.cls {
			n += s.cls[i].outstanding
			size += s.cls[i].bytes
		}
		s.mu.Unlock()
	}
	return n, size
}
