package iscsi

import (
	"slices"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// Bounds of the requests that wait for an earlier one.
const (
	maxHeldBytes = 1 << 20
	heldCost     = 256 // bytes that a request counts beside its data
)

// turn says when a request with a CmdSN is handled.
type turn uint8

const (
	turnNow turn = iota
	turnLater
	turnNever
)

// heldPDU is a request that came before its turn. On one connection that happens after
// a request was rejected, until the initiator fills the gap.
type heldPDU struct {
	hdr   pdu.Header
	ahs   []byte
	data  []byte
	outs  []heldPDU // Data-Out that follows a command
	plug  bool      // considered received, and answered: the task was aborted before it came
	early bool      // an immediate request, which waits for all before it
}

func (p *heldPDU) cmdSN() uint32 { return p.hdr.Request().CmdSN() }

// holdQueue holds requests in the order of their CmdSN. It belongs to the reader.
type holdQueue struct {
	list  []heldPDU
	bytes int
}

func (q *holdQueue) empty() bool { return len(q.list) == 0 }

// find returns the ordered request with that number.
func (q *holdQueue) find(sn uint32) *heldPDU {
	for i := range q.list {
		if p := &q.list[i]; !p.early && p.cmdSN() == sn {
			return p
		}
	}
	return nil
}

// command returns the held write command with that tag, if it has Data-Out to come.
func (q *holdQueue) command(itt uint32) *heldPDU {
	for i := range q.list {
		p := &q.list[i]
		if p.hdr.Opcode() == pdu.OpSCSICommand && !p.plug && p.hdr.ITT() == itt && !p.hdr.Final() {
			return p
		}
	}
	return nil
}

// add puts a request in its place: an early one before the ordered one with its number.
func (q *holdQueue) add(p heldPDU) {
	i := slices.IndexFunc(q.list, func(x heldPDU) bool {
		d := pdu.Diff(p.cmdSN(), x.cmdSN())
		return d < 0 || d == 0 && p.early && !x.early
	})
	if i < 0 {
		i = len(q.list)
	}
	q.list = slices.Insert(q.list, i, p)
}

// charge accounts for n bytes.
func (q *holdQueue) charge(n int) error {
	if q.bytes += heldCost + n; q.bytes > maxHeldBytes {
		return errTooMuchHeld
	}
	return nil
}

// pop takes the first request.
func (q *holdQueue) pop() heldPDU {
	p := q.list[0]
	if q.list = slices.Delete(q.list, 0, 1); len(q.list) == 0 {
		q.list = nil // gaps are rare, and it may have become long
	}
	q.bytes -= heldCost + len(p.ahs) + len(p.data)
	for i := range p.outs {
		q.bytes -= heldCost + len(p.outs[i].data)
	}
	return p
}

// turn tells when the request with the number sn is due (RFC 7143 4.2.2.1).
func (c *conn) turn(sn uint32) turn {
	exp := c.expCmdSN.Load()
	switch {
	case sn == exp:
		if !pdu.InWindow(sn, exp, c.maxCmdSN.Load()) {
			return turnNever // the window is closed
		}
		return turnNow
	case !pdu.InWindow(sn, exp+1, c.maxCmdSN.Load()), c.held.find(sn) != nil:
		return turnNever
	}
	return turnLater
}

// hold keeps a request until its turn comes.
func (c *conn) hold(h *pdu.Header, ahs []byte, seg segment) error {
	if !seg.whole {
		c.collect(ahs, seg.n)
		return nil
	}
	if seg.bad {
		return c.reject(h, pdu.RejectDataDigest)
	}
	if err := c.held.charge(len(ahs) + len(seg.data)); err != nil {
		return err
	}
	c.held.add(heldPDU{
		hdr: *h, ahs: slices.Clone(ahs), data: slices.Clone(seg.data), early: h.Immediate(),
	})
	return nil
}

// holdDataOut keeps Data-Out for a command that is held.
func (c *conn) holdDataOut(cmd *heldPDU, h *pdu.Header, seg segment) error {
	if !seg.whole {
		c.collect(nil, seg.n)
		return nil
	}
	if seg.bad {
		c.refuse(h, pdu.RejectDataDigest) // and the gap in DataSN ends the command
		return nil
	}
	if err := c.held.charge(len(seg.data)); err != nil {
		return err
	}
	cmd.outs = append(cmd.outs, heldPDU{hdr: *h, data: slices.Clone(seg.data)})
	return nil
}

// plug considers the request with the number sn as received and answered. Every such answer
// opens the command window for one more number, so that only the bound on what is held ends
// this.
func (c *conn) plug(sn uint32) error {
	if p := c.held.find(sn); p != nil {
		c.held.bytes -= len(p.ahs) + len(p.data)
		for i := range p.outs {
			c.held.bytes -= heldCost + len(p.outs[i].data)
		}
		*p = heldPDU{hdr: p.hdr, plug: true}
		return nil
	}
	if err := c.held.charge(0); err != nil {
		return err
	}
	p := heldPDU{plug: true}
	p.hdr.Init(pdu.OpNOPOut)
	p.hdr.Request().SetCmdSN(sn)
	c.held.add(p)
	return nil
}

// release handles the held requests whose turn has come.
func (c *conn) release() error {
	for !c.held.empty() && !c.ending {
		first := &c.held.list[0]
		if d := pdu.Diff(first.cmdSN(), c.expCmdSN.Load()); d > 0 {
			return nil
		}
		p := c.held.pop()
		if p.plug {
			c.expCmdSN.Add(1)
			continue
		}
		if err := c.handle(&p.hdr, p.ahs, segment{n: len(p.data), whole: true, data: p.data}); err != nil {
			return err
		}
		for i := range p.outs {
			o := &p.outs[i]
			if err := c.dataOutPDU(&o.hdr, segment{n: len(o.data), whole: true, data: o.data}); err != nil {
				return err
			}
		}
		c.worked()
	}
	return nil
}
