package engine

import (
	"sync/atomic"
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
// Merge adds two, Sub tells what happened between two readings.
type Histogram = hist.Snapshot

// add adds what o has counted.
func (t *Traffic) add(o *Traffic) {
	t.Commands += o.Commands
	t.Errors += o.Errors
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
}

// merge adds what o has counted.
func (l *Latency) merge(o *Latency) {
	for i := range l {
		l[i].Merge(&o[i])
	}
}

// counters are the traffic of a nexus. What many of them have in common is summed up when
// somebody asks, so that a command counts in one place, which no other CPU is busy with.
// There is one more command in a histogram for each that has ended.
type counters struct {
	errors  atomic.Uint64
	in, out atomic.Uint64
	latency [4]atomic.Pointer[hist.Hist] // made when the first command of that direction ends
}

// record counts a command.
func (c *counters) record(dir scsi.Direction, took time.Duration) {
	h := c.latency[dir].Load()
	if h == nil {
		h = new(hist.Hist)
		if !c.latency[dir].CompareAndSwap(nil, h) {
			h = c.latency[dir].Load()
		}
	}
	h.Record(int64(took))
}

// addTo adds what has been counted to t and, unless it is nil, to l.
func (c *counters) addTo(t *Traffic, l *Latency) {
	t.Errors += c.errors.Load()
	t.BytesIn += c.in.Load()
	t.BytesOut += c.out.Load()
	for i := range c.latency {
		h := c.latency[i].Load()
		if h == nil {
			continue
		}
		s := h.Snapshot()
		t.Commands += s.Count()
		if l != nil {
			l[i].Merge(&s)
		}
	}
}

// count adds an ended command to the traffic of its nexus, or of the session if it
// reached none.
func (t *task) count() {
	c := &t.s.strays
	if t.n != nil {
		c = &t.n.traffic
	}
	if s := t.Status(); s != scsi.StatusGood && s != scsi.StatusConditionMet || t.sentErr != nil {
		c.errors.Add(1)
	}
	if n := t.st.DataIn; n > 0 && t.sentErr == nil {
		c.in.Add(uint64(n))
	}
	dir := scsi.DirNone
	if t.in > 0 {
		dir = scsi.DirIn
	}
	if t.out > 0 {
		dir |= scsi.DirOut
		if t.fetch && t.dataErr == nil && t.data.Load() == dataHere {
			c.out.Add(uint64(bufLen(t.ReceiveBuffer())))
		}
	}
	c.record(dir, t.s.t.e.now()-t.start)
}
