package iscsi

import (
	"encoding/binary"
	"math"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// Bounds of what is sent in one PDU.
const (
	// maxDataIn is the longest Data-In in bytes, whatever the initiator takes: longer ones
	// save nothing and keep other answers waiting.
	maxDataIn = 256 << 10
	// maxSense is the longest sense data in bytes (SPC-4 4.5.1).
	maxSense = 252
)

// buildBatch turns work into PDUs until the batch is full. StatSN, ExpCmdSN and MaxCmdSN
// are given here, in the order in which the PDUs leave.
func (c *conn) buildBatch(b *txBatch) {
	w := &c.tx
	for w.work != nil && !w.last && b.room() {
		it := w.work
		next := it.next // before its owner has it back
		switch it.kind {
		case itemResponse:
			if !c.buildResponse(b, it.task) {
				b.close()
				return
			}
			it.next = nil // it may be forgotten before the next one
			b.done = append(b.done, it)
		case itemR2T: // nobody waits for it, and it may be queued again from now on
			w.work = next
			if !c.buildR2Ts(b, it.task) {
				w.work = it
				b.close()
				return
			}
			continue
		case itemPDU:
			c.buildPDU(b, it.pdu)
			b.done = append(b.done, it)
		}
		w.work = next
	}
	b.close()
}

// buildResponse builds the Data-In PDUs and the status of a command (RFC 7143 11.4 and
// 11.7). If the batch is full before that is done, it goes on with the next one.
func (c *conn) buildResponse(b *txBatch, t *task) (whole bool) {
	cmd := t.cmd
	if cmd.Silent() {
		c.freePlace(t.immediate)
		c.tx.silent = true
		return true
	}
	// Status without sense data travels in the last Data-In, which is a PDU less. Only
	// SCSI Response has both residual counts of a bidirectional command.
	collapse := cmd.Status() == scsi.StatusGood && !t.bidi
	buf, n := cmd.DataIn()
	for t.sent < n {
		if !b.room() {
			return false
		}
		h := b.header()
		d := h.InitDataIn()
		size := min(n-t.sent, c.maxXmit(), c.par.MaxBurstLength-t.burst)
		d.SetITT(t.itt)
		d.SetDataSN(t.dataSN)
		d.SetOffset(uint32(t.sent))
		d.SetDataLen(size)
		from := t.sent
		t.sent += size
		t.burst += size
		t.dataSN++
		if t.sent == n || t.burst == c.par.MaxBurstLength { // a sequence ends (RFC 7143 11.7.2)
			d.SetFinal(true)
			t.burst = 0
		}
		if t.sent == n && collapse {
			c.freePlace(t.immediate)
			d.SetStatus(uint8(scsi.StatusGood))
			d.SetStatSN(c.nextStatSN())
			setResidual(d, cmd.Residual())
		}
		d.SetWindow(c.window())
		b.seal(h, c.par.HeaderDigest)
		if size <= inlineData && !cmd.DataMapped() {
			var short [inlineData]byte
			k, _ := buf.ReadAt(short[:size], int64(from))
			b.copied(short[:k], nil, c.par.DataDigest)
		} else {
			b.lentFrom(buf, from, size, c.par.DataDigest)
			b.mapped = b.mapped || cmd.DataMapped()
		}
		c.tx.stats.pdus++
	}
	if n > 0 && collapse {
		return true
	}
	if !b.room() {
		return false
	}
	c.buildStatus(b, t)
	return true
}

// buildStatus builds the SCSI Response of a command.
func (c *conn) buildStatus(b *txBatch, t *task) {
	cmd := t.cmd
	c.freePlace(t.immediate)
	h := b.header()
	r := h.InitSCSIResponse()
	r.SetITT(t.itt)
	r.SetStatus(uint8(cmd.Status()))
	r.SetStatSN(c.nextStatSN())
	if t.sent > 0 {
		r.SetExpDataSN(t.dataSN)
	}
	if t.bidi {
		setResidual(r, cmd.ResidualOut())
		setResidual(bidi{r}, cmd.Residual())
	} else {
		setResidual(r, cmd.Residual())
	}
	r.SetWindow(c.window())
	sense := cmd.SenseData()
	if len(sense) == 0 {
		b.seal(h, c.par.HeaderDigest)
	} else { // its length goes before it (RFC 7143 11.4.7)
		sense = sense[:min(len(sense), maxSense)]
		h.SetDataLen(2 + len(sense))
		b.seal(h, c.par.HeaderDigest)
		var length [2]byte
		binary.BigEndian.PutUint16(length[:], uint16(len(sense)))
		b.copied(length[:], sense, c.par.DataDigest)
	}
	c.tx.stats.pdus++
}

// buildR2Ts builds the R2Ts of a command that have not been sent (RFC 7143 11.8).
func (c *conn) buildR2Ts(b *txBatch, t *task) (whole bool) {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	in := &t.in
	for i := range in.r2ts {
		r := &in.r2ts[i]
		if r.sent {
			continue
		}
		if !b.room() {
			return false
		}
		h := b.header()
		p := h.InitR2T()
		p.SetLUN(uint64(t.cmd.LUN))
		p.SetITT(t.itt)
		p.SetTTT(r.ttt)
		p.SetStatSN(c.tx.statSN)
		p.SetWindow(c.window())
		p.SetR2TSN(t.dataSN)
		p.SetRange(uint32(r.off), uint32(r.want))
		b.seal(h, c.par.HeaderDigest)
		t.dataSN++
		r.sent = true
		c.tx.stats.pdus++
		c.tx.stats.r2ts++
	}
	t.r2t.next = nil // it may be forgotten before the next one
	in.queued = false
	return true
}

// buildPDU completes a PDU of the rarer kinds.
func (c *conn) buildPDU(b *txBatch, p *outPDU) {
	w := &c.tx
	w.freed += p.frees
	if p.immediate {
		c.immediates.Add(-1)
	}
	h := b.header()
	*h = p.hdr
	r := h.Response()
	if p.keepStatSN {
		r.SetStatSN(w.statSN)
	} else {
		r.SetStatSN(c.nextStatSN())
	}
	r.SetWindow(c.window())
	b.seal(h, c.par.HeaderDigest)
	if n := len(p.data); n > 0 && n <= inlineData {
		b.copied(p.data, nil, c.par.DataDigest)
	} else {
		b.lent(p.data, c.par.DataDigest)
	}
	w.last = p.last
	w.stats.pdus++
}

// nextStatSN takes a status sequence number (RFC 7143 4.2.2.2).
func (c *conn) nextStatSN() uint32 {
	sn := c.tx.statSN
	c.tx.statSN++
	return sn
}

// freePlace gives back what an answered command had of the command window, or of the
// bound on immediate ones.
func (c *conn) freePlace(immediate bool) {
	if immediate {
		c.immediates.Add(-1)
	} else {
		c.tx.freed++
	}
}

// window returns ExpCmdSN and MaxCmdSN. MaxCmdSN is what is let in at once beyond what has
// been answered; it never goes back, also if the engine wants fewer commands than
// before: then it stays until enough of them have been answered (RFC 7143 4.2.2.1).
func (c *conn) window() (exp, last uint32) {
	last = c.maxCmdSN.Load()
	if want := c.wantMaxCmdSN(); pdu.Less(last, want) {
		last = want
		c.maxCmdSN.Store(last)
	}
	return c.expCmdSN.Load(), last
}

func (c *conn) wantMaxCmdSN() uint32 {
	return c.tx.firstCmdSN + c.tx.freed + c.limit.Load() - 1
}

// shut reports whether the initiator takes the window for closed while it is not, because
// commands ended of which it is told nothing.
func (c *conn) shut() bool {
	shown := c.maxCmdSN.Load()
	return pdu.Less(shown, c.expCmdSN.Load()) && pdu.Less(shown, c.wantMaxCmdSN())
}

// maxXmit is the longest data segment to send in bytes.
func (c *conn) maxXmit() int { return min(int(c.maxData.Load()), maxDataIn) }

// residual is a PDU with a residual count.
type residual interface {
	SetOverflow(n uint32)
	SetUnderflow(n uint32)
}

// bidi is the residual count of a bidirectional command's read.
type bidi struct{ pdu.SCSIResponse }

// SetOverflow sets the count and the o flag.
func (b bidi) SetOverflow(n uint32) { b.SetBidiOverflow(n) }

// SetUnderflow sets the count and the u flag.
func (b bidi) SetUnderflow(n uint32) { b.SetBidiUnderflow(n) }

// setResidual sets the residual count (RFC 7143 11.4.5): n is positive for underflow and
// negative for overflow.
func setResidual(p residual, n int64) {
	switch {
	case n > 0:
		p.SetUnderflow(uint32(min(n, math.MaxUint32)))
	case n < 0:
		p.SetOverflow(uint32(min(-n, math.MaxUint32)))
	}
}
