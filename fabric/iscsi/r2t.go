package iscsi

import (
	"sync/atomic"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Sense codes for data-out that is not as it was agreed (SPC-4 annex D); those of
// RFC 7143 11.4.7.2 are in package scsi.
const (
	senseBadTTT    = scsi.Sense(0x0B_4B_01) // illegal target port transfer tag received
	senseBadOffset = scsi.Sense(0x0B_4B_05) // data offset error
)

// dataOut is the data-out of a command on its way in.
//
//	          RequestData, not all data there
//	 none ────────────────────────────────────► active ──── all here, or given up ───► none
//	   │ F clear                                  ▲             DataReceived
//	   ▼            RequestData                   │
//	draining ─────────────────────────────────────┘
//	   └───── last unsolicited Data-Out: a response that waited for it leaves ──► none
type dataOut struct {
	active   bool // the engine waits for it
	draining bool // not asked for; unsolicited Data-Out is dropped until it ends
	held     bool // draining, and the response waits for its end
	queued   bool // the command's R2T item is in the send queue

	buf  *sgv.Buf
	want int   // bytes that the engine asked for
	next int   // first byte that no R2T or unsolicited data is for; -1: not known yet
	err  error // what was wrong with the data; the rest of it is dropped

	unsolOpen bool   // unsolicited Data-Out comes
	unsolOff  int    // offset of the next one
	unsolEnd  int    // where they end
	unsolSN   uint32 // DataSN of the next one

	r2ts []r2t // outstanding, in the order of their offsets

	hash  *task  // next in the bucket of conn.waits
	since uint32 // tick of the last progress
}

// r2t is an outstanding R2T.
type r2t struct {
	ttt  uint32
	off  int
	want int
	got  int
	sn   uint32 // DataSN of the next Data-Out
	sent bool
}

// waitBuckets is the size of the table of commands that wait for data.
const waitBuckets = 256

// waitTable finds commands that have Data-Out to come by their tag.
type waitTable struct {
	buckets *[waitBuckets]*task
	mix     uint32       // odd, and unknown to the initiator
	n       atomic.Int32 // only the reader adds, so that it may trust a zero
}

func (w *waitTable) bucket(itt uint32) **task {
	return &w.buckets[itt*w.mix>>24]
}

func (w *waitTable) find(itt uint32) *task {
	if w.n.Load() == 0 {
		return nil
	}
	t := *w.bucket(itt)
	for t != nil && t.itt != itt {
		t = t.in.hash
	}
	return t
}

func (w *waitTable) add(t *task) {
	if w.buckets == nil {
		w.buckets = new([waitBuckets]*task)
	}
	b := w.bucket(t.itt)
	t.in.hash = *b
	*b = t
	w.n.Add(1)
}

func (w *waitTable) remove(t *task) {
	for p := w.bucket(t.itt); *p != nil; p = &(*p).in.hash {
		if *p == t {
			*p = t.in.hash
			t.in.hash = nil
			w.n.Add(-1)
			return
		}
	}
}

// each calls f for every command in the table, which f does not change.
func (w *waitTable) each(f func(t *task)) {
	if w.buckets == nil {
		return
	}
	for _, t := range w.buckets {
		for ; t != nil; t = t.in.hash {
			f(t)
		}
	}
}

// knows reports whether a command with that tag has Data-Out to come.
func (c *conn) knows(itt uint32) bool {
	if c.waits.n.Load() == 0 {
		return false
	}
	c.dmu.Lock()
	defer c.dmu.Unlock()
	return c.waits.find(itt) != nil
}

// expectUnsolicited notes that Data-Out follows a command whether the engine asks for it
// or not. n bytes come with the command itself.
func (c *conn) expectUnsolicited(t *task, n int) {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	in := &t.in
	in.draining, in.unsolOpen = true, true
	in.unsolOff, in.unsolSN = n, 0
	in.unsolEnd = min(c.par.FirstBurstLength, t.edtl)
	in.since = c.ticks.Load()
	c.waits.add(t)
}

// holdResponse keeps back the response of a command whose unsolicited data is not all
// here: until then its tag is in use (RFC 7143 11.17.1 for the like case of an error).
func (c *conn) holdResponse(t *task) bool {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	in := &t.in
	if !in.draining || c.lost {
		return false
	}
	if t.cmd.Silent() {
		c.forget(t)
		return false
	}
	in.held = true
	return true
}

// RequestData implements fabric.Endpoint. It runs within Submit, on the reader.
func (s *session) RequestData(cmd *scsi.Command) {
	t := cmd.Driver.(*task)
	t.c.requestData(t)
}

func (c *conn) requestData(t *task) {
	seg := c.rx.seg
	buf := t.cmd.ReceiveBuffer()
	want := buf.Len()
	fault := c.checkImmediate(t, seg.n)
	if seg.whole && !t.unsol && (fault != nil || seg.bad || seg.n >= want) {
		// All there is has come with the command.
		switch {
		case fault != nil:
			t.cmd.DataReceived(fault)
		case seg.bad:
			t.cmd.DataReceived(scsi.ProtocolCRCError)
		default:
			_, _ = buf.WriteAt(seg.data[:want], 0) // it fits
			t.cmd.DataReceived(nil)
		}
		return
	}
	c.rx.asked = true

	c.dmu.Lock()
	in := &t.in
	if in.draining {
		in.draining = false
	} else {
		in.unsolOpen = false
		c.waits.add(t)
	}
	in.active, in.err = true, fault
	in.buf, in.want = buf, want
	in.r2ts = in.r2ts[:0]
	in.since = c.ticks.Load()
	switch {
	case !t.unsol:
		in.next = seg.n
	case t.edtl > c.par.FirstBurstLength:
		in.next = in.unsolEnd
	default:
		in.next = -1
	}
	if seg.whole && seg.n > 0 {
		if seg.bad {
			in.err = scsi.ProtocolCRCError
		} else if in.err == nil {
			_, _ = buf.WriteAt(seg.data[:min(seg.n, want)], 0)
		}
	}
	push := c.solicit(t)
	// Data that is still to come with the command comes before anything is over.
	over := seg.whole && c.settled(t)
	err := in.err
	if over {
		c.forget(t)
	}
	c.dmu.Unlock()
	if push {
		c.push(&t.r2t, 0)
	}
	if over {
		t.cmd.DataReceived(err)
	}
}

// checkImmediate says what is wrong with n bytes of immediate data, or with unsolicited
// data being announced (RFC 7143 11.4.7.2, 13.10, 13.11, 13.14).
func (c *conn) checkImmediate(t *task, n int) error {
	switch {
	case n > 0 && !c.par.ImmediateData, t.unsol && c.par.InitialR2T, n > c.par.FirstBurstLength:
		return scsi.UnexpectedUnsolicited
	case n > t.edtl:
		return scsi.NotEnoughUnsolicited // an incorrect amount of data
	}
	return nil
}

// solicit asks for as much of the rest as may be outstanding, and reports whether the
// command's R2Ts have to be queued. c.dmu is held.
func (c *conn) solicit(t *task) (push bool) {
	in := &t.in
	if in.err != nil || in.next < 0 {
		return false
	}
	for in.next < in.want && len(in.r2ts) < c.par.MaxOutstandingR2T {
		n := min(in.want-in.next, c.par.MaxBurstLength)
		in.r2ts = append(in.r2ts, r2t{ttt: c.newTTT(), off: in.next, want: n})
		in.next += n
		push = true
	}
	if !push || in.queued {
		return false
	}
	in.queued = true
	return true
}

// newTTT returns a Target Transfer Tag that has not been used for long. c.dmu is held.
func (c *conn) newTTT() uint32 {
	if c.lastTTT++; c.lastTTT == pdu.ReservedTag {
		c.lastTTT = 0
	}
	return c.lastTTT
}

// settled reports whether no more Data-Out of an active command is to come. c.dmu is held.
func (c *conn) settled(t *task) bool {
	in := &t.in
	return !in.unsolOpen && len(in.r2ts) == 0 && (in.err != nil || in.next >= in.want)
}

// forget takes a command out of the table, and the reader's hands off it. c.dmu is held.
func (c *conn) forget(t *task) {
	in := &t.in
	c.waits.remove(t)
	in.active, in.draining, in.held, in.unsolOpen = false, false, false, false
	in.buf, in.err = nil, nil
	in.r2ts = in.r2ts[:0]
	if c.rx.into == t {
		c.rx.into = nil
	}
}

// Abort implements fabric.Aborter.
func (s *session) Abort(cmd *scsi.Command) {
	t := cmd.Driver.(*task)
	c := t.c
	c.dmu.Lock()
	if !t.in.active {
		c.dmu.Unlock()
		return // its data is all here: DataReceived is called anyway
	}
	c.forget(t)
	c.dmu.Unlock()
	cmd.DataReceived(errTaskAborted)
}
