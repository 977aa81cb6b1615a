package iscsi

import (
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// dataOutPDU takes a Data-Out (RFC 7143 11.7). Data for no command that waits for it is
// dropped in silence: the command may have ended while it was on its way. Data that is
// not as agreed ends its command, once the initiator has sent all that it was asked for
// (RFC 7143 11.17.1). The LUN is not looked at, for the tag says it all.
func (c *conn) dataOutPDU(h *pdu.Header, seg segment) error {
	p := h.DataOut()
	c.stats.dataOuts++
	if seg.bad {
		c.refuse(h, pdu.RejectDataDigest)
	}
	c.dmu.Lock()
	t := c.waits.find(p.ITT())
	if t == nil {
		c.dmu.Unlock()
		c.stats.strays++
		return nil
	}
	in := &t.in
	in.since = c.ticks.Load()
	var r *r2t
	if p.TTT() != pdu.ReservedTag {
		if r = in.find(p.TTT()); r == nil { // no sequence that could end: give up at once
			c.giveUp(t, senseBadTTT)
			return nil
		}
	} else if !in.unsolOpen {
		c.giveUp(t, scsi.UnexpectedUnsolicited)
		return nil
	}
	if err := in.check(r, p, seg.n); err != nil && in.err == nil {
		in.err = err
	}
	off, store := int(p.Offset()), in.active && in.err == nil
	if seg.whole {
		if seg.bad {
			in.err = orErr(in.err, scsi.ProtocolCRCError)
		} else if n := min(seg.n, in.want-off); store && n > 0 {
			_, _ = in.buf.WriteAt(seg.data[:n], int64(off)) // it fits
		}
		c.endDataOut(t, r, seg.n, p.Final()) // unlocks
		return nil
	}
	if store {
		c.rx.into, c.rx.off, c.rx.room = t, off, max(0, in.want-off)
	}
	c.rx.sink = sinkDataOut
	c.dmu.Unlock()
	return nil
}

// streamImmediate has the rest of a command's own data received straight into its
// buffer.
func (c *conn) streamImmediate(t *task, n int) {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	if !t.in.active {
		return // aborted meanwhile
	}
	c.rx.sink = sinkImmediate
	c.rx.into, c.rx.off, c.rx.room = t, 0, min(n, t.in.want)
	if t.in.err != nil {
		c.rx.room = 0
	}
}

// endStream is called when the last of a data segment that was not whole has come.
func (c *conn) endStream(h *pdu.Header, n int, bad bool) {
	if bad {
		c.refuse(h, pdu.RejectDataDigest)
	}
	c.dmu.Lock()
	var t *task
	if c.rx.sink == sinkImmediate {
		t = c.rx.into
	} else {
		t = c.waits.find(h.ITT())
	}
	c.rx.into = nil
	if t == nil { // aborted meanwhile
		c.dmu.Unlock()
		return
	}
	if bad {
		t.in.err = orErr(t.in.err, scsi.ProtocolCRCError)
	}
	if c.rx.sink == sinkImmediate {
		c.advance(t) // unlocks
	} else {
		c.endDataOut(t, t.in.find(h.DataOut().TTT()), n, h.Final()) // unlocks
	}
}

// endDataOut accounts for a Data-Out of n bytes for r, or an unsolicited one if r is
// nil, and goes on with the command. c.dmu is held, and not any more afterwards.
func (c *conn) endDataOut(t *task, r *r2t, n int, final bool) {
	in := &t.in
	if r == nil {
		in.unsolOff += n
		in.unsolSN++
		if final {
			in.unsolOpen = false
			in.endUnsolicited(t, c.par.FirstBurstLength)
		} else if in.unsolOff >= in.unsolEnd { // F had to be set: nothing more can come
			in.unsolOpen = false
			in.err = orErr(in.err, scsi.DataPhaseError)
		}
	} else {
		r.got += n
		r.sn++
		switch {
		case final:
			if r.got != r.want {
				in.err = orErr(in.err, scsi.NotEnoughUnsolicited)
			}
			in.drop(r)
		case r.got >= r.want: // F had to be set: nothing more can come
			in.err = orErr(in.err, scsi.DataPhaseError)
			in.drop(r)
		}
	}
	c.advance(t)
}

// endUnsolicited checks how much unsolicited data there was. What is missing of a
// transfer that would have fit the first burst is asked for; a longer one has to use the
// first burst to the full (RFC 7143 11.4.7.2).
func (in *dataOut) endUnsolicited(t *task, firstBurst int) {
	switch {
	case !in.active:
	case t.edtl > firstBurst:
		if in.unsolOff != in.unsolEnd {
			in.err = orErr(in.err, scsi.NotEnoughUnsolicited)
		}
	default:
		in.next = in.unsolOff
	}
}

// advance asks for more data, or ends the wait if all has come. c.dmu is held, and not
// any more afterwards.
func (c *conn) advance(t *task) {
	in := &t.in
	if in.draining {
		free := in.held && !in.unsolOpen
		if !in.unsolOpen {
			c.forget(t)
		}
		c.dmu.Unlock()
		if free {
			c.push(&t.resp, 0)
		}
		return
	}
	push := c.solicit(t)
	over := c.settled(t)
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

// giveUp ends the wait of a command whose initiator sends what nobody asked for. c.dmu
// is held, and not any more afterwards.
func (c *conn) giveUp(t *task, err error) {
	in := &t.in
	active, held := in.active, in.held
	err = orErr(in.err, err)
	c.forget(t)
	c.dmu.Unlock()
	switch {
	case active:
		t.cmd.DataReceived(err)
	case held:
		c.push(&t.resp, 0)
	}
}

// check says what is wrong with a Data-Out of n bytes, from its header (RFC 7143 11.7).
// A wrong DataSN means that another PDU has been lost, and counts as a digest error
// (RFC 7143 7.9).
func (in *dataOut) check(r *r2t, p pdu.DataOut, n int) error {
	sn, off, end := in.unsolSN, in.unsolOff, in.unsolEnd
	if r != nil {
		sn, off, end = r.sn, r.off+r.got, r.off+r.want
	}
	switch {
	case p.DataSN() != sn:
		return scsi.ProtocolCRCError
	case int64(p.Offset()) != int64(off):
		return senseBadOffset
	case n > end-off:
		return scsi.NotEnoughUnsolicited // an incorrect amount of data
	}
	return nil
}

// find returns the outstanding R2T with that tag.
func (in *dataOut) find(ttt uint32) *r2t {
	for i := range in.r2ts {
		if in.r2ts[i].ttt == ttt && in.r2ts[i].sent {
			return &in.r2ts[i]
		}
	}
	return nil
}

// drop takes an R2T off the list.
func (in *dataOut) drop(r *r2t) {
	for i := range in.r2ts {
		if &in.r2ts[i] == r {
			in.r2ts = append(in.r2ts[:i], in.r2ts[i+1:]...)
			return
		}
	}
}

// orErr is the first error.
func orErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
