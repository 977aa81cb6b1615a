package rangelock

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

const (
	slots   = 64 // shared holders without an entry; one bit each in entry.slots
	probes  = 4  // slots tried before an entry is used
	maxIdle = 64 // entries kept for reuse
)

// Lock is a set of locked ranges. The zero value is unlocked and ready for use. It is safe for
// concurrent use and must not be copied.
//
// Shared holders put their range into a slot and then look whether anybody is exclusive. Exclusive
// holders first announce themselves in exclusive and then look at the slots. Of two that overlap at
// least one sees the other: a shared one then takes the slow path below mu, an exclusive one waits
// for the slot.
type Lock struct {
	exclusive atomic.Int32                // exclusive entries in the queue, waiting or granted; written below mu
	slots     atomic.Pointer[[slots]slot] // made for the first shared holder: there are many locks that nobody takes
	_         [48]byte

	mu          sync.Mutex
	first, last *entry // guarded by mu; the queue in the order of arrival, waiting and granted
	idle        *entry // guarded by mu; linked by next
	nIdle       int    // guarded by mu
}

// slot is one shared holder, on a cache line of its own.
type slot struct {
	state      atomic.Uint64 // odd: taken; grows with each use, which exposes a second Unlock
	start, end atomic.Uint64 // valid while taken
	_          [40]byte
}

// entry is a place in the queue.
type entry struct {
	start, end uint64
	exclusive  bool
	granted    bool
	blockers   int           // entries before this one that overlap and conflict
	slots      uint64        // slots that overlapped when this one came; exclusive only
	gen        uint64        // grows with each use
	ready      chan struct{} // capacity 1; one token when a waiting entry is granted
	next, prev *entry
}

// Guard is the right to unlock one range. Copy it freely, use it once. Unlock of the zero value
// does nothing.
type Guard struct {
	l   *Lock
	s   *slot
	e   *entry
	gen uint64
}

// LockShared locks [start, start+n) against exclusive holders. It waits until none that came
// before overlaps, or ctx is done. A range that does not fit is cut at the largest number, and an
// empty one conflicts with nothing.
func (l *Lock) LockShared(ctx context.Context, start, n uint64) (Guard, error) {
	if n == 0 {
		return Guard{}, nil
	}
	end := endOf(start, n)
	if g, ok := l.trySlot(start, end); ok {
		return g, nil
	}
	return l.lock(ctx, start, end, false)
}

// TryLockShared is LockShared that gives up instead of waiting.
func (l *Lock) TryLockShared(start, n uint64) (Guard, bool) {
	if n == 0 {
		return Guard{}, true
	}
	end := endOf(start, n)
	if g, ok := l.trySlot(start, end); ok {
		return g, true
	}
	return l.tryLock(start, end, false)
}

// LockExclusive locks [start, start+n) against every other holder. See LockShared.
func (l *Lock) LockExclusive(ctx context.Context, start, n uint64) (Guard, error) {
	if n == 0 {
		return Guard{}, nil
	}
	return l.lock(ctx, start, endOf(start, n), true)
}

// TryLockExclusive is LockExclusive that gives up instead of waiting.
func (l *Lock) TryLockExclusive(start, n uint64) (Guard, bool) {
	if n == 0 {
		return Guard{}, true
	}
	return l.tryLock(start, endOf(start, n), true)
}

// Unlock gives the range back. It may be called on any goroutine; a second call panics.
func (g Guard) Unlock() {
	switch {
	case g.s != nil:
		if !g.s.state.CompareAndSwap(g.gen, g.gen+1) {
			panic("rangelock: second Unlock")
		}
		if g.l.exclusive.Load() != 0 {
			g.l.slotFreed()
		}
	case g.e != nil:
		g.l.mu.Lock()
		defer g.l.mu.Unlock()
		if g.e.gen != g.gen || !g.e.granted {
			panic("rangelock: second Unlock")
		}
		g.l.remove(g.e)
	}
}

// trySlot is the shared fast path. It fails when an exclusive entry exists or the slots that it
// tried are taken.
func (l *Lock) trySlot(start, end uint64) (Guard, bool) {
	if l.exclusive.Load() != 0 {
		return Guard{}, false
	}
	list := l.slots.Load()
	if list == nil {
		l.slots.CompareAndSwap(nil, new([slots]slot))
		list = l.slots.Load()
	}
	for i, at := 0, rand.Uint32(); i < probes; i, at = i+1, at+1 {
		s := &list[at%slots]
		gen := s.state.Load()
		if gen&1 != 0 || !s.state.CompareAndSwap(gen, gen+1) {
			continue
		}
		s.start.Store(start)
		s.end.Store(end)
		g := Guard{l: l, s: s, gen: gen + 1}
		if l.exclusive.Load() == 0 {
			return g, true
		}
		g.Unlock() // and wake those that took the slot for a holder
		return Guard{}, false
	}
	return Guard{}, false
}

// lock queues an entry and waits until it is granted.
func (l *Lock) lock(ctx context.Context, start, end uint64, exclusive bool) (Guard, error) {
	l.mu.Lock()
	e := l.enqueue(start, end, exclusive)
	g := Guard{l: l, e: e, gen: e.gen}
	granted := e.granted
	l.mu.Unlock()
	if granted {
		return g, nil
	}
	select {
	case <-e.ready:
		return g, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.granted {
		<-e.ready
	}
	l.remove(e)
	return Guard{}, ctx.Err()
}

func (l *Lock) tryLock(start, end uint64, exclusive bool) (Guard, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.enqueue(start, end, exclusive)
	if !e.granted {
		l.remove(e)
		return Guard{}, false
	}
	return Guard{l: l, e: e, gen: e.gen}, true
}

// enqueue appends an entry and grants it if nothing is in its way. Called with mu held.
func (l *Lock) enqueue(start, end uint64, exclusive bool) *entry {
	e := l.idle
	if e != nil {
		l.idle, e.next = e.next, nil
		l.nIdle--
	} else {
		e = &entry{ready: make(chan struct{}, 1)}
	}
	e.start, e.end, e.exclusive = start, end, exclusive
	if exclusive {
		l.exclusive.Add(1) // before the slots are looked at
		e.slots = l.takenSlots(e, ^uint64(0))
	}
	if l.exclusive.Load() != 0 { // else every entry is shared and granted
		for p := l.first; p != nil; p = p.next {
			if p.conflicts(e) {
				e.blockers++
			}
		}
	}
	if e.prev = l.last; e.prev != nil {
		e.prev.next = e
	} else {
		l.first = e
	}
	l.last = e
	e.granted = e.blockers == 0 && e.slots == 0
	return e
}

// remove takes e out of the queue and grants those that waited only for it. Called with mu held.
func (l *Lock) remove(e *entry) {
	if l.exclusive.Load() != 0 {
		for w := e.next; w != nil; w = w.next {
			if w.conflicts(e) {
				w.blockers--
				w.grant()
			}
		}
	}
	if e.exclusive {
		l.exclusive.Add(-1)
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
	e.granted, e.blockers, e.slots = false, 0, 0
	e.gen++
	if l.nIdle < maxIdle {
		e.next, l.idle = l.idle, e
		l.nIdle++
	}
}

// slotFreed looks again at the slots that exclusive entries wait for. New ones cannot have been
// taken for good while there are such entries, so the sets only shrink.
func (l *Lock) slotFreed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first; e != nil; e = e.next {
		if e.slots != 0 {
			e.slots = l.takenSlots(e, e.slots)
			e.grant()
		}
	}
}

// takenSlots is the part of mask whose slots are taken and overlap e. A slot read while it is
// being taken may show an old range; its taker will see e and leave.
func (l *Lock) takenSlots(e *entry, mask uint64) uint64 {
	list := l.slots.Load()
	if list == nil {
		return 0 // one that takes the first slot now will see e and leave
	}
	var taken uint64
	for i := range list {
		s := &list[i]
		if mask&(1<<i) != 0 && s.state.Load()&1 != 0 && s.start.Load() < e.end && e.start < s.end.Load() {
			taken |= 1 << i
		}
	}
	return taken
}

func (e *entry) grant() {
	if !e.granted && e.blockers == 0 && e.slots == 0 {
		e.granted = true
		e.ready <- struct{}{}
	}
}

func (e *entry) conflicts(o *entry) bool {
	return (e.exclusive || o.exclusive) && e.start < o.end && o.start < e.end
}

func endOf(start, n uint64) uint64 {
	if n > math.MaxUint64-start {
		return math.MaxUint64
	}
	return start + n
}
