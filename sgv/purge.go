package sgv

import "time"

// arm starts the purge timer if it does not run and the pool is open.
func (p *Pool) arm() {
	p.timerMu.Lock()
	defer p.timerMu.Unlock()
	if p.closed || p.armed.Load() {
		return
	}
	p.armed.Store(true)
	p.ticks.Add(1)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.purgeTime, p.purge)
	} else {
		p.timer.Reset(p.purgeTime)
	}
}

// purge is run by the timer. It drops the buffers that were idle since before the last purge,
// which is between one and two intervals, and starts the timer again if any stay.
//
// armed is cleared before the shards are looked at: a Release that a sweep did not see finds it
// false and starts the timer itself.
func (p *Pool) purge() {
	defer p.ticks.Done()
	p.purgeMu.Lock()
	defer p.purgeMu.Unlock()
	p.armed.Store(false)
	var left int64
	for _, s := range p.shards {
		for more := true; more; {
			var chain *Buf
			var idle int64
			chain, more, idle = s.sweep(false)
			left += idle
			for b := chain; b != nil; b = b.next {
				p.purged.Add(1)
			}
			p.freeChain(chain)
		}
	}
	if left > 0 {
		p.arm()
	}
}
