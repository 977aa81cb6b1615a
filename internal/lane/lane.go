// Package lane runs work that may block on a bounded number of goroutines, in the order
// in which it was added.
package lane

import "sync"

// Item is one piece of work in a Lane; embed it in what it belongs to. It may be added
// again after Run has been called or Remove has succeeded.
type Item struct {
	Run        func() // called once per Add, on a worker
	prev, next *Item
	queued     bool
}

// Lane is a queue with its workers. Workers are started when there is work for them
// and stay until Close, so that a busy lane neither starts goroutines nor allocates.
type Lane struct {
	mu      sync.Mutex
	wake    sync.Cond
	max     int
	running int // workers
	idle    int // workers that wait
	closed  bool
	first   *Item
	last    *Item
	n       int
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
	if urgent {
		l.link(it, nil, l.first)
	} else {
		l.link(it, l.last, nil)
	}
	switch {
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
	if !it.queued {
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

// link puts it between two neighbours in the queue.
func (l *Lane) link(it, prev, next *Item) {
	it.prev, it.next, it.queued = prev, next, true
	if prev != nil {
		prev.next = it
	} else {
		l.first = it
	}
	if next != nil {
		next.prev = it
	} else {
		l.last = it
	}
	l.n++
}

func (l *Lane) unlink(it *Item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		l.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		l.last = it.prev
	}
	it.prev, it.next, it.queued = nil, nil, false
	l.n--
}

func (l *Lane) work() {
	defer l.done.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.running-- }()
	for l.running <= l.max {
		for l.first == nil {
			if l.closed || l.running > l.max {
				return
			}
			l.idle++
			l.wake.Wait()
			l.idle--
		}
		it := l.first
		l.unlink(it)
		l.mu.Unlock()
		it.Run()
		l.mu.Lock()
	}
}
