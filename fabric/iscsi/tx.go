package iscsi

import (
	"sync"
	"time"
)

// txState is what the writer works with. It belongs to whoever has the role of the
// writer (see txQueue).
type txState struct {
	work   *txItem // taken from the queue, not built yet
	batch  *txBatch
	err    error // the connection is broken: nothing can be sent
	last   bool  // the PDU that ends the connection has been built
	silent bool  // a silent command has ended since the queue was empty
	statSN uint32

	// firstCmdSN + freed + limit - 1 is what the window lets in: every command that is
	// answered makes room for another (RFC 7143 4.2.2.1).
	firstCmdSN, freed uint32

	flush   func()             // the goroutine that may wait for the socket
	tryFn   func(uintptr) bool // one attempt
	waitFn  func(uintptr) bool // attempts until all is written
	callErr error              // their result
	bg      sync.WaitGroup     // flushers
	stats   txStats
}

// maxTurns is how many batches are written without telling Go's scheduler, before the rest is left
// to a goroutine that may wait.
const maxTurns = 8

// initTx makes the writer's functions, once, so that using them allocates nothing.
func (c *conn) initTx() {
	w := &c.tx
	w.flush = func() {
		defer w.bg.Done()
		if c.txq.begin() {
			c.write(true)
		}
	}
	w.tryFn = func(fd uintptr) bool {
		w.callErr = w.batch.writeTo(fd, !w.batch.mapped) // at most maxTurns of them
		return true
	}
	w.waitFn = func(fd uintptr) bool {
		w.callErr = w.batch.writeTo(fd, false)
		return !wouldBlock(w.callErr)
	}
}

// write does the writer's work until the queue is empty. Unless it may wait, it hands
// its role to a flusher as soon as the socket is full or after some turns, so that an initiator
// that does not read holds up nobody else.
func (c *conn) write(mayWait bool) {
	over := false
	defer finally(func() {
		if !over { // a handler has ended the goroutine, on which it was told that responses have left
			c.write(mayWait)
		}
	})
	c.writeAll(mayWait)
	over = true
}

func (c *conn) writeAll(mayWait bool) {
	for turn := 0; c.nextBatch(); turn++ {
		err := c.tx.err
		done := err != nil
		if !done && c.raw != nil && turn < maxTurns {
			err = c.writeNow()
			done = !wouldBlock(err)
		}
		switch {
		case done:
		case mayWait:
			err = c.writeWait()
		case c.handOver():
			return
		default:
			err = errConnClosed
		}
		c.endBatch(err)
	}
}

// writeNow writes what the socket takes of the batch.
func (c *conn) writeNow() error {
	if err := c.raw.Write(c.tx.tryFn); err != nil {
		return err
	}
	return c.tx.callErr
}

// writeWait writes the batch, waiting for the socket, but not for an initiator that
// takes nothing for too long.
func (c *conn) writeWait() error {
	w := &c.tx
	if t := c.srv.opt.SendTimeout; t > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(t)) // a closed connection fails below
		defer func() { _ = c.nc.SetWriteDeadline(time.Time{}) }()
	}
	if c.raw != nil {
		if err := c.raw.Write(w.waitFn); err != nil {
			return err
		}
		return w.callErr
	}
	for len(w.batch.pending()) > 0 {
		n, err := c.nc.Write(w.batch.pending()[0])
		w.batch.wrote(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// handOver gives the role of the writer to a flusher. It refuses on a connection that
// is being taken down, whose end waits for the flusher.
func (c *conn) handOver() bool {
	c.txq.mu.Lock()
	defer c.txq.mu.Unlock()
	if c.txq.dead {
		return false
	}
	c.startFlusher()
	return true
}

// startFlusher leaves the role of the writer to a flusher. c.txq.mu is held, and the connection is
// not dead.
func (c *conn) startFlusher() {
	q := &c.txq
	q.writing, q.left = true, true
	if !q.flusher {
		q.flusher = true
		c.tx.bg.Add(1)
		go c.tx.flush()
	}
}

// begin reports whether the flusher that begins has the role of the writer still.
func (q *txQueue) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.left
	q.flusher, q.left = false, false
	return left
}

// nextBatch builds the next batch, unless one is left over from before a hand-over. If
// there is nothing to build, it gives up the role of the writer and reports false.
func (c *conn) nextBatch() bool {
	w := &c.tx
	for {
		if w.batch != nil && len(w.batch.pending()) > 0 {
			return true
		}
		if w.work == nil && !c.take() {
			return false
		}
		if w.err != nil || w.last {
			c.dropWork()
			continue
		}
		if w.batch == nil {
			w.batch = c.srv.batches.Get().(*txBatch)
		}
		c.buildBatch(w.batch)
		if len(w.batch.bufs) == 0 { // nothing but silent commands
			c.endBatch(nil)
		}
	}
}

// take moves the queue to the writer.
func (c *conn) take() bool {
	q, w := &c.txq, &c.tx
	if w.silent {
		w.silent = false
		if c.shut() {
			c.tellWindow() // goes into the queue, which this goroutine takes
		}
	}
	q.mu.Lock()
	if q.head == nil {
		b := w.batch
		w.batch = nil
		q.writing = false
		q.mu.Unlock()
		if b != nil && b.pooled() {
			c.srv.batches.Put(b)
		}
		return false
	}
	w.work = q.head
	q.head, q.tail, q.bytes = nil, nil, 0
	if q.dead && w.err == nil {
		w.err = errConnClosed
	}
	q.mu.Unlock()
	return true
}

// endBatch tells the owners of what was in the batch that it has left, or not.
func (c *conn) endBatch(err error) {
	w := &c.tx
	if err != nil && w.err == nil {
		w.err = err
		c.fail(err)
	}
	b := w.batch
	for _, it := range b.done {
		if it.kind == itemResponse {
			b.sent = append(b.sent, it.task.cmd)
		} else {
			c.complete(it, err)
		}
	}
	defer func() { // also when a handler ends the goroutine
		w.stats.bytes += uint64(b.used + b.data)
		w.stats.publish(c)
		b.reset()
	}()
	if len(b.sent) > 0 {
		c.nx.ResponsesSent(b.sent, err)
	}
}

// dropWork ends everything that the writer has without sending it.
func (c *conn) dropWork() {
	w := &c.tx
	err := w.err
	if err == nil {
		err = errConnClosed
	}
	for w.work != nil {
		it := w.work
		w.work = it.next // before its owner has it back
		c.complete(it, err)
	}
}
