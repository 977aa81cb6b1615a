package iscsi

import (
	"runtime"
	"time"
)

// Times of busy polling (see Options.BusyPoll).
const (
	// maxBusyPoll is the longest time that a reader looks for input before it sleeps.
	maxBusyPoll = time.Millisecond
	// maxPolling is how long a reader whose polling always finds something goes on before
	// it sleeps once all the same. A reader that polls yields to goroutines that can run,
	// but the runtime asks the system what else has come, for sleeping connections and for
	// stores, only when a processor has nothing to run.
	maxPolling = time.Millisecond
	// politePolling is that time while other connections of the server sleep.
	politePolling = 250 * time.Microsecond
)

// poller is a reader's state of busy polling. It belongs to the reader.
type poller struct {
	since  time.Time // when it began to poll without having slept; zero: it has slept
	asleep bool      // counted in Server.asleep
}

// busyPoll looks for input again and again for as long as the options say, and reports
// whether it has found something: rx.n and rx.err are the result then. It yields between
// two attempts, so that it holds up no goroutine that can run.
func (c *conn) busyPoll(fd uintptr) bool {
	p, now := &c.poll, time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	limit := maxPolling
	if c.srv.asleep.Load() > 0 {
		limit = politePolling
	}
	if now.Sub(p.since) < limit {
		c.rx.turns = briefTurns // as long as it polls; see brief calls
		for until := now.Add(c.srv.opt.BusyPoll); ; {
			runtime.Gosched()
			if c.attempt(fd); !wouldBlock(c.rx.err) {
				return true
			}
			if !time.Now().Before(until) {
				break
			}
		}
	}
	p.since, p.asleep = time.Time{}, true
	c.srv.asleep.Add(1)
	return false
}

// awake follows a sleep.
func (c *conn) awake() {
	if c.poll.asleep {
		c.poll.asleep = false
		c.srv.asleep.Add(-1)
	}
}
