package iscsi

import (
	"runtime"
	"time"
)

// A reader that always finds input does not sleep, and so gives way by itself: Go's scheduler
// would take the processor from it after 10 ms. Goroutines that can run have their turn when it
// calls runtime.Gosched. Connections that sleep are another matter: what has come for them the
// runtime asks the system only when a processor has nothing to run, or if nobody has for 10 ms. So
// if readers keep all processors busy, one that gives way waits for such a question, too (netRound),
// and now and then in any case: what else keeps processors busy, workers of devices, senders, or the
// rest of the program, nobody counts.
const (
	// stintTime is how long a reader goes on while others may wait, and loneStint while the server
	// has no other connection: then it is for the rest of the program.
	stintTime = 100 * time.Microsecond
	loneStint = time.Millisecond
	// longRound is a round that takes so long that others need the processors for themselves: then
	// turns are longer, so that the connection gets on.
	longRound = 5 * time.Millisecond
	// askEvery is how long a reader leaves that question to processors that it takes for free, on a
	// server with other connections.
	askEvery = time.Millisecond
	// stintWork is after how much work on one read the time is looked at: PDUs, and each 32 KiB
	// that a command moves.
	stintWork = 8
)

// stint is how long a reader has gone on without sleep. It belongs to the reader.
type stint struct {
	since  time.Duration // when it began, on the server's clock; 0: not known yet
	asked  time.Duration // when the last round was over, or the reader had slept
	waited time.Duration // how long the last round took
	work   int           // since the time was looked at
	asleep bool          // counted in Server.asleep
	round  chan struct{}
}

// stintOver reports whether the reader is to give way.
func (c *conn) stintOver() bool {
	t, now := &c.stint, c.srv.clock()
	t.work = 0
	if t.since == 0 {
		t.since, t.asked = now, now
		return false
	}
	limit := stintTime
	if c.alone() || t.waited > longRound {
		limit = loneStint
	}
	return now-t.since >= limit
}

// worked counts a PDU that has been handled, one of many perhaps, and gives way if it is time to.
func (c *conn) worked() {
	if c.stint.work++; c.stint.work >= stintWork && c.raw != nil && c.stintOver() {
		c.uncork()
		c.giveWay()
		c.cork()
	}
}

// giveWay lets others run.
func (c *conn) giveWay() {
	t, began := &c.stint, c.srv.clock()
	ask := int(c.srv.awake.Load()) >= runtime.GOMAXPROCS(0) || began-t.asked >= askEvery && !c.alone()
	asked := ask && c.srv.rounds.wait(t.round)
	if !asked {
		runtime.Gosched()
	}
	t.since = c.srv.clock()
	t.waited = t.since - began
	if asked {
		t.asked = t.since
	}
}

// alone reports whether the server has no other reader.
func (c *conn) alone() bool { return c.srv.awake.Load()+c.srv.asleep.Load() <= 1 }

// joins and leaves put the reader on the books of who reads PDUs, and take it off. Who logs in or out
// is not on them: he has one PDU at a time, or waits.
func (c *conn) joins() {
	if c.raw != nil {
		c.srv.awake.Add(1)
	}
}

func (c *conn) leaves() {
	if c.raw != nil {
		c.wakes()
		c.srv.awake.Add(-1)
	}
}

// sleeps and wakes keep the books of who sleeps. They are called on the way into and out of a wait
// for input. Who was woken for nothing, because the news came late of what he had read by then, goes
// to sleep twice.
func (c *conn) sleeps() {
	c.stint.since = 0
	if c.stint.asleep {
		return
	}
	c.stint.asleep = true
	c.srv.awake.Add(-1)
	c.srv.asleep.Add(1)
}

func (c *conn) wakes() {
	if c.stint.asleep {
		c.stint.asleep = false
		c.srv.asleep.Add(-1)
		c.srv.awake.Add(1)
	}
}

// clock is the time since the server began.
func (s *Server) clock() time.Duration { return time.Since(s.began) }
