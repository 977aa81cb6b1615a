package uring

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

const (
	// retryAfter is when an entry is offered again that the kernel had no memory for.
	retryAfter = time.Millisecond
	// completeBatch is how many operations are completed before what was submitted meanwhile goes
	// to the kernel.
	completeBatch = 8
)

// queue stands between Submit and the ring. An operation that finds no free task waits for one.
//
// Entries reach the kernel in one of three ways: at once if the kernel has nothing to do; by the
// goroutine that is in the kernel already, when it returns; else by the goroutine submitter, which
// runs when the burst is over, or on another processor, and takes all entries of the burst along.
type queue struct {
	ring  *ring
	give  func(n int) (int, error) // ring.enter; tests have it fail
	tasks []*task                  // by number; nil: not made yet
	kick  chan struct{}
	stop  chan struct{}
	wg    sync.WaitGroup // submitter and reaper
	retry *time.Timer

	mu       sync.Mutex
	free     *task      // guarded by mu
	made     int        // guarded by mu; tasks that exist
	running  int        // guarded by mu; tasks in use
	waiting  fifo       // guarded by mu; empty while a task is free
	pending  int        // guarded by mu; entries that the kernel has not taken
	entering bool       // guarded by mu; somebody is in ring.enter, and comes back for pending
	reapers  int        // guarded by mu; goroutines that look at pending when they are done
	closed   bool       // guarded by mu
	gone     bool       // guarded by mu; the ring must not be touched any more
	drained  *sync.Cond // on mu; running is 0

	// One fdatasync runs at a time; the next serves all that came meanwhile.
	syncing bool  // guarded by mu
	parked  *task // guarded by mu; tasks whose step is stepSync

	// The kernel reports a write-back that failed to one only of those who ask. A task that it told nothing is
	// held until the others that asked meanwhile have come back; see osfile.Calls.
	calls osfile.Calls // guarded by mu
	held  taskList     // guarded by mu
}

// taskList is a list of tasks. The zero value is empty.
type taskList struct{ first, last *task }

func (l *taskList) push(t *task) {
	if l.first == nil {
		l.first = t
	} else {
		l.last.list = t
	}
	l.last = t
}

// pop returns nil if the list is empty.
func (l *taskList) pop() *task {
	t := l.first
	if t != nil {
		l.first, t.list = t.list, nil
	}
	return t
}

func (s *Store) startQueue(r *ring, depth int) {
	q := &s.q
	q.ring, q.give, q.tasks = r, r.enter, make([]*task, depth)
	q.kick, q.stop = make(chan struct{}, 1), make(chan struct{}) // one token says all
	q.drained = sync.NewCond(&q.mu)
	q.retry = time.AfterFunc(time.Hour, q.wake)
	q.retry.Stop()
	q.wg.Go(s.reaper)
	q.wg.Go(s.submitter)
}

// stopQueue waits for all operations and ends the goroutines. A second call does nothing.
func (s *Store) stopQueue() (first bool) {
	q := &s.q
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.closed = true
	for q.running > 0 {
		q.drained.Wait()
	}
	q.gone = true
	q.mu.Unlock()
	q.retry.Stop()
	q.ring.silence()
	close(q.stop)
	q.wg.Wait()
	return true
}

// add starts an operation, or lets it wait.
func (s *Store) add(c backstore.Completion) {
	q := &s.q
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		c.Complete(backstore.ErrClosed)
		return
	}
	t := q.takeTask(s)
	if t == nil {
		q.waiting.push(c)
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	t.begin(c)
	if more, err := t.next(); err != nil || !more {
		s.finish(t, err)
		return
	}
	q.submit(t)
}

// takeTask is called with mu held. It returns nil if all tasks are in use.
func (q *queue) takeTask(s *Store) *task {
	t := q.free
	switch {
	case t != nil:
		q.free, t.list = t.list, nil
	case q.made < len(q.tasks):
		t = &task{s: s, entry: sqe{userData: uint64(q.made)}}
		q.tasks[q.made] = t
		q.made++
	default:
		return nil
	}
	q.running++
	return t
}

// submit puts the entry of t into the ring and sees to it that the kernel gets it. There is room, because each
// task has at most one entry.
func (q *queue) submit(t *task) {
	q.mu.Lock()
	if t.step == stepSync {
		if q.syncing {
			t.list, q.parked = q.parked, t
			q.mu.Unlock()
			return
		}
		q.syncing, t.leads = true, true
	}
	q.push(t)
}

// push is submit after the question whether t has to wait. It is called with mu held, and unlocks it.
func (q *queue) push(t *task) {
	if t.call == nil && t.told() {
		t.call = q.calls.Begin()
	}
	q.ring.push(&t.entry)
	q.pending++
	switch {
	case q.entering || q.reapers > 0:
		q.mu.Unlock()
	case q.running == q.pending: // the kernel has nothing to do
		q.entering = true
		q.mu.Unlock()
		q.enter()
	default:
		q.mu.Unlock()
		q.wake()
	}
}

// synced ends an fdatasync and begins the next, for all that wait for one.
func (q *queue) synced() {
	q.mu.Lock()
	t := q.parked
	if t == nil {
		q.syncing = false
		q.mu.Unlock()
		return
	}
	q.parked, t.group, t.list, t.leads = nil, t.list, nil, true
	q.push(t)
}

// over ends the call of t, which has noted what it was told. It is called with mu held.
func (q *queue) over(t *task) {
	if t.call != nil {
		t.begun, t.call = q.calls.End(t.call), nil
	}
}

// lost is over for a task that the kernel has not got. What it wanted to find out nobody knows.
func (q *queue) lost(t *task) {
	if t.full {
		_ = t.s.base.Note(backstore.ErrNoSpace)
	}
	q.over(t)
}

// release moves to l those that are held for nobody any more.
func (q *queue) release(l *taskList) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held.first != nil && q.calls.Over(q.held.first.begun) {
		t := q.held.pop()
		t.err = t.s.base.Err()
		l.push(t)
	}
}

// wake has the submitter look at pending.
func (q *queue) wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

func (s *Store) submitter() {
	for {
		select {
		case <-s.q.kick:
			s.q.flush()
		case <-s.q.stop:
			return
		}
	}
}

// flush gives what is pending to the kernel, unless somebody is doing that.
func (q *queue) flush() {
	q.mu.Lock()
	if q.entering || q.pending == 0 {
		q.mu.Unlock()
		return
	}
	q.entering = true
	q.mu.Unlock()
	q.enter()
}

// enter gives entries to the kernel until none is pending. The caller has set entering.
func (q *queue) enter() {
	for {
		q.mu.Lock()
		n := q.pending
		if n == 0 {
			q.entering = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		k, err := q.give(n)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		q.mu.Lock()
		q.pending -= k
		if err == nil && k > 0 {
			q.mu.Unlock()
			continue
		}
		q.entering = false
		if err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOMEM) {
			q.mu.Unlock()
			q.retry.Reset(retryAfter)
			return
		}
		failed := q.takeBack(err)
		q.mu.Unlock()
		for t := failed; t != nil; t = failed {
			failed, t.list = t.list, nil
			if t.leads {
				t.leads = false
				for f := t.group; f != nil; f = t.group {
					t.group, f.list = f.list, nil
					t.s.finish(f, err)
				}
				q.synced()
			}
			t.s.finish(t, err)
		}
		var done taskList
		q.release(&done)
		for t := done.pop(); t != nil; t = done.pop() {
			t.s.finish(t, t.err)
		}
		return
	}
}

// takeBack is called with mu held, after an error that does not go away. It returns the tasks that the
// kernel has not got.
func (q *queue) takeBack(err error) (failed *task) {
	q.ring.takeBack(func(id uint64) {
		t := q.tasks[id]
		q.lost(t)
		for f := t.group; f != nil; f = f.list {
			q.lost(f)
		}
		t.list, failed = failed, t
	})
	q.pending = 0
	return failed
}

// reaper waits for completions in the netpoller.
func (s *Store) reaper() {
	var count [8]byte // of the eventfd; it does not matter
	for {
		if _, err := s.q.ring.event.Read(count[:]); err != nil {
			return
		}
		s.reap()
	}
}

// reap handles all completions that are there.
func (s *Store) reap() {
	q := &s.q
	var back taskList
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return
	}
	// What the submitting goroutine wrote to a task is visible here: it pushed the entry with mu held.
	q.ring.reap(func(id uint64, res int32) {
		t := q.tasks[id]
		t.res = res
		back.push(t)
	})
	if back.first == nil {
		q.mu.Unlock()
		return
	}
	q.reapers++
	q.mu.Unlock()

	s.goOn(&back)
	q.mu.Lock()
	q.reapers--
	q.mu.Unlock()
	q.flush()
}

// goOn handles the results of tasks that have come back from the kernel.
func (s *Store) goOn(back *taskList) {
	q := &s.q
	var done taskList
	told := false
	for t := back.pop(); t != nil; t = back.pop() {
		more, err := false, t.took(t.res)
		if err == nil {
			more, err = t.next()
		}
		if t.call != nil && (err != nil || !t.full) { // now a failure is known to all that come later
			told = true
			q.mu.Lock()
			q.over(t)
			q.mu.Unlock()
		}
		for f := t.group; f != nil; f = t.group { // they get the same result
			t.group, f.list = f.list, nil
			f.res, f.begun = t.res, t.begun
			back.push(f)
		}
		if t.leads {
			t.leads = false
			q.synced()
		}
		switch t.err = err; {
		case more && err == nil:
			q.submit(t)
		case err == nil && t.told():
			q.mu.Lock()
			q.held.push(t)
			q.mu.Unlock()
		default:
			done.push(t)
		}
	}
	if told {
		q.release(&done)
	}
	q.flush()
	for n := 1; done.first != nil; n++ {
		t := done.pop()
		s.finish(t, t.err)
		if n%completeBatch == 0 {
			q.flush()
		}
	}
}

// finish completes the operation of t and gives t to one that waits.
func (s *Store) finish(t *task, err error) {
	q := &s.q
	for {
		c := t.end()
		q.mu.Lock()
		waiter, ok := q.waiting.pop()
		if !ok {
			t.list, q.free = q.free, t
			if q.running--; q.running == 0 && q.closed {
				q.drained.Broadcast()
			}
		}
		q.mu.Unlock()
		more := false
		var nextErr error
		if ok {
			t.begin(waiter)
			if more, nextErr = t.next(); more && nextErr == nil {
				q.submit(t)
			}
		}
		s.complete(c, err)
		if !ok || more && nextErr == nil {
			return
		}
		err = nextErr // that one is over as well
	}
}

// complete ends an operation and announces the first loss of data.
func (s *Store) complete(c backstore.Completion, err error) {
	c.Complete(err)
	if err != nil {
		s.base.TellLoss()
	}
}
