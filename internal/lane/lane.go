// Package lane runs work that may block on a bounded number of goroutines. Work of one flow is
// done in the order in which it was added. A flow on which less than its fair part of the workers
// is at work comes first, and the others take turns, so that one with much to do does not hold up
// one with little. Beside others nobody gets all workers: who has had his part leaves an eighth of
// them free, so that those who have not need not wait for one to end what it is at.
package lane

import "sync"

// Item is one piece of work in a Lane; embed it in what it belongs to. It may be added
// again after Run has been called or Remove has succeeded.
type Item struct {
	Run        func() // called once per Add, on a worker
	Flow       *Flow  // whose work it is; nil: nobody's in particular, which is a flow, too
	prev, next *Item
	in         *queue // where it waits; nil: it does not
	flow       *Flow  // of which that is the queue; nil: of none
}

// Flow is somebody's work in a Lane. The zero value is ready for use. It belongs to one lane from
// the first Add on, whose lock guards it, and can be forgotten whenever none of its items waits.
type Flow struct {
	queue
	running    int   // workers that are at work for it
	prev, next *Flow // neighbours in the ring, itself if there is no other; nil: it is not in the ring
}

// queue is a list of items.
type queue struct{ first, last *Item }

// Lane is a queue with its workers. Workers are started when there is work for them
// and stay until Close, so that a busy lane neither starts goroutines nor allocates.
type Lane struct {
	mu      sync.Mutex
	wake    sync.Cond
	max     int
	running int // workers
	idle    int // workers that wait
	closed  bool
	urgent  queue // the last that was added comes first
	nobody  Flow
	active  int   // flows with items that wait or run
	shared  int   // items that one flow has to end alone before all workers are for it; see spare
	tail    *Flow // of the ring of flows with work, whose turn is last; nil: there is none
	n       int   // items that wait
	done    sync.WaitGroup
}

// New returns a lane of at most workers goroutines, at least one.
func New(workers int) *Lane {
	l := &Lane{max: max(1, workers)}
	l.wake.L = &l.mu
	return l
}

// Add queues it, before all others if it is urgent. It does not block. It reports
// false, and does nothing, when the lane is closed.
func (l *Lane) Add(it *Item, urgent bool) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.n++
	if urgent {
		it.in, it.flow = &l.urgent, nil
		it.in.link(it, nil, it.in.first)
	} else {
		f := it.Flow
		if f == nil {
			f = &l.nobody
		}
		it.in, it.flow = &f.queue, f
		it.in.link(it, it.in.last, nil)
		l.enter(f)
	}
	switch {
	case !urgent && l.mustLeave(it.flow, l.running-l.idle):
	case l.idle >= l.n:
		l.wake.Signal()
	case l.running < l.max:
		l.running++
		l.done.Add(1)
		go l.work()
	case l.idle > 0:
		l.wake.Signal()
	}
	l.mu.Unlock()
	return true
}

// Remove takes it out of the queue and reports whether it was there: then Run will not
// be called for that Add.
func (l *Lane) Remove(it *Item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.in == nil {
		return false
	}
	l.unlink(it)
	return true
}

// Len is the number of items that wait for a worker.
func (l *Lane) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// Close ends the workers when the queue is empty, and waits for them.
func (l *Lane) Close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Broadcast()
	l.mu.Unlock()
	l.done.Wait()
}

// SetMax changes how many workers there are at most, at least one. Workers that are too
// many end as soon as they have nothing to run.
func (l *Lane) SetMax(workers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = max(1, workers)
	for n := l.n - l.idle; n > 0 && l.running < l.max && !l.closed; n-- {
		l.running++
		l.done.Add(1)
		go l.work()
	}
	l.wake.Broadcast()
}

// part is how many workers are fair for a flow with work: less than one if there are too many flows.
func (l *Lane) part() int {
	flows := l.active
	if l.shared > 0 {
		flows = max(flows, 2)
	}
	return l.max / flows
}

// poor reports whether less than its fair part of the workers is at work for a flow with work.
func (l *Lane) poor(f *Flow) bool { return f.running < l.part() }

// spare is how many workers are left free for flows that have less than their part. It is so for
// some time after there has been another flow: one whose items come one by one is gone between two
// of them.
func (l *Lane) spare() int {
	if l.shared == 0 {
		return 0
	}
	return l.max / 8
}

// mustLeave reports whether a flow with work gets no worker while busy of them are at work.
func (l *Lane) mustLeave(f *Flow, busy int) bool {
	return busy >= l.max-l.spare() && f.running >= max(l.part(), 1)
}

// enter puts a flow into the ring, unless it is there: before all others or behind them.
func (l *Lane) enter(f *Flow) {
	if f.next != nil {
		return
	}
	if f.running == 0 {
		l.active++
	}
	if l.active > 1 {
		l.shared = 4 * l.max
	}
	if l.tail == nil {
		f.prev, f.next = f, f
		l.tail = f
		return
	}
	f.prev, f.next = l.tail, l.tail.next
	f.prev.next, f.next.prev = f, f
	if !l.poor(f) {
		l.tail = f
	}
}

// leave takes a flow out of the ring.
func (l *Lane) leave(f *Flow) {
	if l.tail == f {
		l.tail = f.prev
	}
	if l.tail == f {
		l.tail = nil
	}
	f.prev.next, f.next.prev = f.next, f.prev
	f.prev, f.next = nil, nil
	if f.running == 0 {
		l.active--
	}
}

// take removes the next item and says for which flow a worker runs it; both are nil if there is
// none, and the latter for what is urgent.
func (l *Lane) take() (*Item, *Flow) {
	it := l.urgent.first
	if it == nil {
		if l.tail == nil {
			return nil, nil
		}
		f := l.tail.next
		for busy := l.running - l.idle - 1; l.mustLeave(f, busy); f = f.next { // as many as there are workers
			if f == l.tail {
				return nil, nil
			}
		}
		it = f.first
		if f.running++; !l.poor(f) {
			l.tail = f // behind all others
		}
	}
	f := it.flow
	l.unlink(it)
	return it, f
}

// ran counts what take has given as done.
func (l *Lane) ran(f *Flow) {
	if f == nil {
		return
	}
	if l.shared > 0 && l.active < 2 {
		if l.shared--; l.shared == 0 && l.n > 0 {
			l.wake.Broadcast()
		}
	}
	if f.running--; f.running == 0 && f.next == nil {
		l.active--
	}
}

// unlink takes an item out of its queue, and with the last one its flow out of the ring.
func (l *Lane) unlink(it *Item) {
	l.n--
	it.in.unlink(it)
	if it.flow != nil && it.flow.first == nil {
		l.leave(it.flow)
	}
	it.in, it.flow = nil, nil
}

// link puts it between two neighbours in the queue.
func (q *queue) link(it, prev, next *Item) {
	it.prev, it.next = prev, next
	if prev != nil {
		prev.next = it
	} else {
		q.first = it
	}
	if next != nil {
		next.prev = it
	} else {
		q.last = it
	}
}

func (q *queue) unlink(it *Item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		q.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		q.last = it.prev
	}
	it.prev, it.next = nil, nil
}

func (l *Lane) work() {
	defer l.done.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.running-- }()
	for l.running <= l.max {
		it, f := l.take()
		for ; it == nil; it, f = l.take() {
			if l.closed || l.running > l.max {
				return
			}
			l.idle++
			l.wake.Wait()
			l.idle--
		}
		l.run(it, f)
	}
}

// run runs an item without the lock. One that ends its goroutine with runtime.Goexit costs a
// worker, which has a successor then: what waits, and Close, must not wait for ever.
func (l *Lane) run(it *Item, f *Flow) {
	ended := true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.ran(f)
		if ended {
			l.running++
			l.done.Add(1)
			go l.work()
		}
	}()
	it.Run()
	ended = false
}
