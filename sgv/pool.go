package sgv

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultSegment   = 64 << 10
	defaultAlign     = 4096
	maxAlign         = 2 << 20
	defaultMaxCached = 256 << 20
	defaultPurge     = 60 * time.Second
	maxShards        = 64

	// quotaStep is by how many bytes a shard extends its share of MaxCached, so that the counter
	// all shards have in common is touched rarely.
	quotaStep = 1 << 20
)

// MaxLen is the length in bytes of the largest buffer, and the largest SegmentSize and FixedSize.
const MaxLen = 1 << 30

// Errors of Pool.
var (
	ErrClosed      = errors.New("sgv: pool closed")
	ErrOutstanding = errors.New("sgv: buffers still outstanding")

	errNegativeLen = errors.New("sgv: negative length")
)

// Options configure a Pool. The zero value is ready for use, and out-of-range values are clamped.
type Options struct {
	Name          string        // shown in Stats and errors
	FixedSize     int           // bytes; 0: power-of-two classes; >0: the capacity of every cached buffer
	SegmentSize   int           // bytes, rounded up to a power of two; 0: 64 KiB; one Segs element never exceeds it
	Align         int           // bytes, rounded up to a power of two; 0: 4096, so that O_DIRECT works; at most 2 MiB
	MaxCached     int64         // bytes kept idle at most; 0: 256 MiB; <0: nothing kept
	PurgeInterval time.Duration // 0: 60 s; idle buffers go after t..2t; <0: never
	Allocator     Allocator     // nil: Heap()
	Zero          bool          // clear every buffer before reuse
	Shards        int           // rounded up to a power of two; 0: as many as GOMAXPROCS; at most 64
}

// Pool caches scatter-gather buffers by size class. Make one with NewPool. Safe for concurrent use.
type Pool struct {
	name      string
	classes   classes
	segSize   int
	segShift  uint8
	zero      bool
	blank     bool // fresh segments are zero
	align     int
	maxCached int64
	purgeTime time.Duration
	alloc     Allocator
	shards    []*shard
	// hint has *shard values that are also in shards. It stands in for the number of the current
	// CPU, which Go does not tell: what a goroutine puts back, the next one on that CPU gets.
	// When a garbage collection empties it, nothing is lost but the affinity.
	hint sync.Pool

	armed atomic.Bool // the purge timer runs, or is not wanted
	_     [64]byte

	quota   atomic.Int64  // bytes of maxCached that no shard has reserved
	refused atomic.Uint64 // by limits
	purged  atomic.Uint64 // buffers
	seed    atomic.Uint32 // next shard for a CPU without one

	timerMu sync.Mutex
	timer   *time.Timer    // guarded by timerMu
	closed  bool           // guarded by timerMu
	ticks   sync.WaitGroup // armed timers and running purges
	purgeMu sync.Mutex     // one purge at a time

	dbg debugPool
	_   [64]byte
}

// NewPool returns an empty pool. opts may be nil and is not kept. A pool holds no goroutine; a timer
// runs only while buffers are idle.
func NewPool(opts *Options) *Pool {
	var o Options
	if opts != nil {
		o = *opts
	}
	p := &Pool{name: o.Name, zero: o.Zero, alloc: o.Allocator}
	if p.alloc == nil {
		p.alloc = Heap()
	}
	_, p.blank = p.alloc.(interface{ blank() })
	p.align = pow2Option(o.Align, defaultAlign, 1, maxAlign)
	p.segSize = pow2Option(o.SegmentSize, defaultSegment, max(p.align, minClass), MaxLen)
	p.segShift = uint8(bits.Len(uint(p.segSize - 1)))
	p.classes = newClasses(min(o.FixedSize, MaxLen), p.align)
	p.maxCached = defaultMaxCached
	if o.MaxCached != 0 {
		p.maxCached = max(o.MaxCached, 0)
	}
	p.quota.Store(p.maxCached)
	p.purgeTime = defaultPurge
	if o.PurgeInterval != 0 {
		p.purgeTime = o.PurgeInterval
	}
	p.armed.Store(p.purgeTime < 0)
	p.shards = make([]*shard, pow2Option(o.Shards, runtime.GOMAXPROCS(0), 1, maxShards))
	for i := range p.shards {
		p.shards[i] = &shard{pool: p}
	}
	p.hint.New = func() any {
		return p.shards[int(p.seed.Add(1))&(len(p.shards)-1)]
	}
	return p
}

// Get returns a buffer of n bytes holding one reference, charged to lim (nil: none) with Cost(n) bytes.
// It never blocks: beyond lim it fails with ErrLimit, which a target answers with TASK SET FULL
// (SAM-5 5.3.1), or with ErrTooLarge if n can never fit or exceeds MaxLen. Other errors are ErrClosed and those that wrap
// ErrAlloc. The contents are whatever the last user left; see Buf for why that is safe.
func (p *Pool) Get(n int, lim *Limit) (*Buf, error) {
	if n < 0 {
		return nil, errNegativeLen
	}
	ci := p.classes.of(n)
	if ci == bigClass {
		return p.getBig(n, lim)
	}
	if lim != nil {
		if err := lim.charge(int64(p.classes.size(ci))); err != nil {
			p.refused.Add(1)
			return nil, err
		}
	}
	s := p.hint.Get().(*shard)
	b := s.get(ci)
	p.hint.Put(s)
	if b == nil {
		return p.getMiss(s, ci, n, lim)
	}
	b.lim = lim
	p.ready(b, n, true)
	return b, nil
}

// Cost returns how many bytes Get(n, lim) charges: the capacity that holds n bytes, for n within
// [0, MaxLen].
func (p *Pool) Cost(n int) int64 {
	n = min(max(n, 0), MaxLen)
	if ci := p.classes.of(n); ci != bigClass {
		return int64(p.classes.size(ci))
	}
	return int64(roundUp(n, p.align))
}

// Outstanding returns the number of buffers handed out and not released yet.
func (p *Pool) Outstanding() int {
	n, _ := p.outstanding()
	return int(n)
}

// Flush returns every idle buffer to the Allocator now. It does not wait for other users of the pool.
func (p *Pool) Flush() {
	for _, s := range p.shards {
		for more := true; more; {
			var chain *Buf
			chain, more, _ = s.sweep(true)
			p.freeChain(chain)
		}
	}
}

// Close flushes the pool and ends its timer; it waits for a purge that runs. Later calls of Get fail with
// ErrClosed, and buffers released later go to the Allocator at once. Its error wraps ErrOutstanding
// if there are such; Close may be called again to see whether they came back.
func (p *Pool) Close() error {
	p.timerMu.Lock()
	p.closed = true
	if p.timer != nil && p.timer.Stop() {
		p.ticks.Done()
	}
	p.timerMu.Unlock()
	p.ticks.Wait()
	for _, s := range p.shards {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
	p.Flush()
	if n, size := p.outstanding(); n > 0 {
		return fmt.Errorf("%w: %d of %d bytes in pool %q%s", ErrOutstanding, n, size, p.name, p.debugLeaks())
	}
	return nil
}

// getMiss serves Get when the shard has no idle buffer: from another shard or the Allocator. lim is
// charged already.
func (p *Pool) getMiss(s *shard, ci, n int, lim *Limit) (_ *Buf, err error) {
	size := int64(p.classes.size(ci))
	charged := lim
	defer func() { // also if the Allocator panics
		if charged != nil {
			charged.uncharge(size, nil)
		}
	}()
	stolen := true
	b := p.steal(s, ci)
	if b == nil {
		stolen = false
		if b, err = p.fresh(ci, int(size)); err != nil {
			return nil, err
		}
	}
	if !s.adopt(b, stolen) {
		p.free(b)
		return nil, ErrClosed
	}
	charged = nil
	b.lim = lim
	p.ready(b, n, stolen)
	return b, nil
}

// getBig serves Get beyond the cached sizes.
func (p *Pool) getBig(n int, lim *Limit) (_ *Buf, err error) {
	if n > MaxLen {
		p.refused.Add(1)
		return nil, ErrTooLarge
	}
	size := p.Cost(n)
	if lim != nil {
		if err := lim.charge(size); err != nil {
			p.refused.Add(1)
			return nil, err
		}
	}
	charged := lim
	defer func() {
		if charged != nil {
			charged.uncharge(size, nil)
		}
	}()
	s := p.hint.Get().(*shard)
	p.hint.Put(s)
	b, err := p.fresh(bigClass, int(size))
	if err != nil {
		return nil, err
	}
	if !s.adopt(b, false) {
		p.free(b)
		return nil, ErrClosed
	}
	charged = nil
	b.lim = lim
	p.ready(b, n, false)
	return b, nil
}

// ready makes b, which its caller owns, what Get returns.
func (p *Pool) ready(b *Buf, n int, used bool) {
	b.refs.Store(1)
	b.setLen(n)
	if debug {
		b.debugBirth(used)
	}
	if p.zero && (used || debug || !p.blank) {
		for _, seg := range b.segs {
			clear(seg)
		}
	}
}

// steal takes an idle buffer from a shard other than s, or returns nil.
func (p *Pool) steal(s *shard, ci int) *Buf {
	for _, v := range p.shards {
		if v == s {
			continue
		}
		if b := v.steal(ci); b != nil {
			return b
		}
	}
	return nil
}

// fresh makes a buffer of size bytes of memory from the Allocator. When that fails, it tries once
// more after giving back all that is idle.
func (p *Pool) fresh(ci, size int) (*Buf, error) {
	b := &Buf{class: uint8(ci), size: int64(size), shift: p.segShift, trim: -1, n: -1}
	hdr := b.one[:0]
	if k := (size-1)>>p.segShift + 1; k > 1 {
		hdr = make([][]byte, 0, k)
	}
	segs, err := p.allocSegs(hdr, size)
	if err != nil {
		p.Flush()
		if segs, err = p.allocSegs(hdr, size); err != nil {
			return nil, err
		}
	}
	b.hdr = segs
	return b, nil
}

// free returns the memory of b to the Allocator. b has no owner.
func (p *Pool) free(b *Buf) {
	if b.class == wrapClass {
		return
	}
	if b.trim >= 0 {
		b.hdr[b.trim] = b.whole
	}
	if debug {
		b.debugDeath()
	}
	for _, seg := range b.hdr {
		p.alloc.Free(seg)
	}
	b.hdr, b.segs, b.one, b.whole, b.trim = nil, nil, [1][]byte{}, nil, -1
}

// freeChain is free for a chain linked by next.
func (p *Pool) freeChain(b *Buf) {
	for b != nil {
		next := b.next
		b.next = nil
		p.free(b)
		b = next
	}
}

// takeQuota reserves n bytes of what may be cached.
func (p *Pool) takeQuota(n int64) bool {
	for {
		q := p.quota.Load()
		if q < n {
			return false
		}
		if p.quota.CompareAndSwap(q, q-n) {
			return true
		}
	}
}

// reclaim gathers the reservations that shards do not use.
func (p *Pool) reclaim() {
	for _, s := range p.shards {
		s.mu.Lock()
		s.trimQuota()
		s.mu.Unlock()
	}
}

// pow2Option returns v, or def if it is not set, as a power of two within [lo, hi].
func pow2Option(v, def, lo, hi int) int {
	if v <= 0 {
		v = def
	}
	return max(lo, ceilPow2(min(v, hi)))
}
