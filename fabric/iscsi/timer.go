package iscsi

import "time"

// Each connection in full-feature phase has one timer. Its ticks are the clock of
// everything that takes seconds: pings, waiting for data, the size of the command
// window. What happens between two ticks is timed to the tick.

// tickInterval is the longest time between two ticks.
const tickInterval = 10 * time.Second

// startTimer starts the ticks.
func (c *conn) startTimer() {
	o := &c.srv.opt
	every := tickInterval
	if o.NopInterval > 0 {
		every = min(every, o.NopInterval, o.NopTimeout)
	}
	if o.DataTimeout > 0 {
		every = min(every, o.DataTimeout)
	}
	every = max(every, time.Millisecond)
	c.every = every
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.timer = time.AfterFunc(every, c.tick)
	}
}

// stopTimer ends the ticks; one may still be under way.
func (c *conn) stopTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// tick is the timer's function. Ticks do not overlap.
func (c *conn) tick() {
	now := c.ticks.Add(1)
	if c.nx != nil {
		c.limit.Store(uint32(max(1, c.nx.QueueLimit())))
		c.nx.Trim()
	}
	c.checkPing()
	c.checkData(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.timer.Reset(c.every)
	}
}

// checkPing asks a silent initiator whether it is there, and ends the connection if it
// was asked and stayed silent. An initiator that does not read does not see the
// question either; that it sends something counts all the same.
func (c *conn) checkPing() {
	o := &c.srv.opt
	if o.NopInterval == 0 {
		return
	}
	if c.alive.Swap(false) {
		c.quiet, c.pinged = 0, false
		return
	}
	c.quiet += c.every
	switch {
	case !c.pinged && c.quiet >= o.NopInterval:
		c.quiet, c.pinged = 0, true
		c.ping()
	case c.pinged && c.quiet >= o.NopTimeout:
		c.fail(errPingTimeout)
	}
}

// checkData ends the connection if a command has waited for data for too long.
func (c *conn) checkData(now uint32) {
	o := &c.srv.opt
	if o.DataTimeout == 0 || c.waits.n.Load() == 0 {
		return
	}
	old := uint32((o.DataTimeout + c.every - 1) / c.every)
	late := false
	c.dmu.Lock()
	c.waits.each(func(t *task) { late = late || now-t.in.since > old })
	c.dmu.Unlock()
	if late {
		c.fail(errDataTimeout)
	}
}
