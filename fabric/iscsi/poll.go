package iscsi

import (
	"runtime"
	"time"
)

// maxBusyPoll is the longest time that a reader looks for input before it sleeps.
const maxBusyPoll = time.Millisecond

// busyPoll looks for input again and again for as long as the options say, and reports
// whether it has found something: rx.n and rx.err are the result then. It yields between
// two attempts, so that it holds up no goroutine that can run.
func (c *conn) busyPoll(fd uintptr) bool {
	span := c.srv.opt.BusyPoll
	c.rx.turns = briefTurns // as long as it polls; see brief calls
	for began := c.srv.clock(); ; {
		if c.stintOver() {
			c.giveWay()
		} else {
			runtime.Gosched()
		}
		if c.attempt(fd); !wouldBlock(c.rx.err) {
			return true
		}
		if c.srv.clock()-began >= span {
			return false
		}
	}
}
