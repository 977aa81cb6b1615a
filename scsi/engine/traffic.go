package engine

import (
	"time"

	"github.com/goscst/goscst/internal/hist"
	"github.com/goscst/goscst/scsi"
)

// Traffic counts the commands that have ended, and what they moved. It is a plain value;
// the zero value is that of nothing.
type Traffic struct {
	Commands uint64 // commands
	Errors   uint64 // those that ended otherwise than with GOOD or CONDITION MET, or whose response could not be sent
	BytesIn  uint64 // bytes of data that went to initiators
	BytesOut uint64 // bytes of data that came from them
}

// Latency is how long commands took from Submit until their response had left, in
// nanoseconds, in histograms of powers of two, one for each direction of data:
// Latency[scsi.DirIn] is that of reads.
type Latency [4]Histogram

// Histogram is a histogram of nanoseconds: Count, Mean, Quantile and the raw Counts.
// Merge adds two, Record counts one value, Sub tells what happened between two readings.
type Histogram = hist.Hist

// add adds what o has counted.
func (t *Traffic) add(o *Traffic) {
	t.Commands += o.Commands
	t.Errors += o.Errors
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
}

// merge adds what o, which may be nil, has counted.
func (l *Latency) merge(o *Latency) {
	if o == nil {
		return
	}
	for i := range l {
		l[i].Merge(&o[i])
	}
}

// made is what p points to, made if there is nothing yet.
func made(p **Latency) *Latency {
	if *p == nil {
		*p = new(Latency)
	}
	return *p
}

// counters are the traffic of a nexus. What many of them have in common is summed up when
// somebody asks, so that a command counts in one place, under a lock that it takes anyway.
// There is one more command in a histogram for each that has ended.
type counters struct {
	errors  uint64
	in, out uint64
	latency [4]*Histogram // made when the first command of that direction ends
}

// account is what is counted of a command that is over. It is part of the task, because it
// would cost more to copy than to make.
type account struct {
	in, out int // bytes of data that were moved
	dir     scsi.Direction
	failed  bool
	took    time.Duration
}

// close notes how the command has ended.
func (t *task) close() {
	a := &t.account
	s := t.Status()
	a.failed = s != scsi.StatusGood && s != scsi.StatusConditionMet || t.sentErr != nil
	a.in, a.out = 0, 0
	if n := t.st.DataIn; n > 0 && t.sentErr == nil {
		a.in = n
	}
	a.dir = scsi.DirNone
	if t.in > 0 {
		a.dir = scsi.DirIn
	}
	if t.out > 0 {
		a.dir |= scsi.DirOut
		if t.fetch && t.dataErr == nil && t.data.Load() == dataHere {
			a.out = bufLen(t.ReceiveBuffer())
		}
	}
	if t.left == 0 {
		t.left = t.s.t.e.now()
	}
	a.took = t.left - t.start
}

// add counts a command.
func (c *counters) add(a *account) {
	if a.failed {
		c.errors++
	}
	c.in += uint64(a.in)
	c.out += uint64(a.out)
	h := c.latency[a.dir]
	if h == nil {
		h = new(Histogram)
		c.latency[a.dir] = h
	}
	h.Record(int64(a.took))
}

// addTo adds what has been counted to t and, unless it is nil, to l.
func (c *counters) addTo(t *Traffic, l *Latency) {
	t.Errors += c.errors
	t.BytesIn += c.in
	t.BytesOut += c.out
	for i, h := range c.latency {
		if h == nil {
			continue
		}
		t.Commands += h.Count()
		if l != nil {
			l[i].Merge(h)
		}
	}
}

// count adds what the nexus has counted to t and, unless it is nil, to l.
func (n *nexus) count(t *Traffic, l *Latency) {
	n.s.mu.Lock()
	n.traffic.addTo(t, l)
	n.s.mu.Unlock()
}
