package iscsi

import (
	"math"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// task is what a connection keeps of a command, in Command.Driver. It lives as long as
// the command, which the engine uses again and again.
type task struct {
	cmd  *scsi.Command
	c    *conn
	resp txItem
	r2t  txItem

	itt       uint32
	edtl      int  // bytes of data-out that the initiator announced
	immediate bool // it has no place in the command order
	bidi      bool
	unsol     bool // F was clear: unsolicited Data-Out follows

	// Of the writer, until the response has left.
	sent   int    // bytes of data-in that have been built
	burst  int    // bytes of them in the current sequence
	dataSN uint32 // next DataSN or R2TSN

	in dataOut // guarded by c.dmu
}

// segment is the data segment of a PDU that is being handled.
type segment struct {
	n     int    // its length without padding
	whole bool   // it has arrived, and
	data  []byte // is here until the handler returns, and
	bad   bool   // its digest is wrong
}

// maxCDB is room for a CDB with its extension.
const maxCDB = pdu.MaxCDBLen

// newTask returns a command to fill in and the connection's state of it.
func (c *conn) newTask() *task {
	cmd := c.nx.NewCommand()
	t, ok := cmd.Driver.(*task)
	if !ok {
		t = &task{cmd: cmd}
		t.resp = txItem{kind: itemResponse, task: t}
		t.r2t = txItem{kind: itemR2T, task: t}
		cmd.Driver = t
	}
	t.c = c
	return t
}

// command takes a SCSI Command whose turn it is (RFC 7143 11.3).
func (c *conn) command(h *pdu.Header, ahs []byte, seg segment) error {
	p := h.SCSICommand()
	var ext pdu.AHS
	if len(ahs) > 0 {
		var err error
		if ext, err = pdu.ParseAHS(ahs); err != nil {
			return c.reject(h, pdu.RejectInvalidField)
		}
	}
	if reason := c.checkCommand(p, ext, seg); reason != pdu.RejectNone {
		return c.reject(h, reason)
	}
	c.accept(h)

	t := c.newTask()
	cmd := t.cmd
	t.itt, t.immediate, t.bidi, t.unsol = h.ITT(), h.Immediate(), p.Read() && p.Write(), !p.Final()
	t.sent, t.burst, t.dataSN, t.edtl = 0, 0, 0, 0
	if c.rx.at == 0 {
		c.rx.at = c.nx.Now()
	}
	cmd.Tag, cmd.LUN, cmd.Attr, cmd.ExpectedSet, cmd.Arrived = uint64(t.itt), scsi.LUN(h.LUN()), taskAttr(p.Attr()), true, c.rx.at
	if p.Write() {
		cmd.Dir, cmd.ExpectedOut = scsi.DirOut, p.ExpectedLen()
		t.edtl = int(min(p.ExpectedLen(), math.MaxInt32))
	} else if p.Read() {
		cmd.ExpectedIn = p.ExpectedLen()
		cmd.RawIn = c.raw != nil && !c.par.DataDigest && !(c.rx.lone() && p.ExpectedLen() <= loneRead)
	}
	if p.Read() {
		cmd.Dir |= scsi.DirIn
	}
	if t.bidi {
		cmd.ExpectedIn = ext.BidiReadLength
	}
	if ext.ExtendedCDB == nil {
		cmd.SetCDB(p.CDB())
	} else {
		var cdb [maxCDB]byte
		n := copy(cdb[:], p.CDB())
		n += copy(cdb[n:], ext.ExtendedCDB)
		cmd.SetCDB(cdb[:n])
	}
	c.stats.commands++
	c.stint.work += int(p.ExpectedLen() / (32 << 10))

	if !p.Write() {
		c.nx.Submit(cmd)
		return nil
	}
	if t.unsol {
		c.expectUnsolicited(t, seg.n)
	}
	if seg.bad {
		c.refuse(h, pdu.RejectDataDigest)
	}
	c.rx.asked, c.rx.seg = false, seg
	c.nx.Submit(cmd)
	c.rx.seg = segment{}
	if c.rx.asked && !seg.whole {
		c.streamImmediate(t, seg.n)
	}
	return nil
}

// checkCommand applies what the header's own check leaves: rules that depend on other
// segments and on what is going on.
func (c *conn) checkCommand(p pdu.SCSICommand, ext pdu.AHS, seg segment) pdu.RejectReason {
	switch {
	case p.Attr() > pdu.AttrACA, p.ITT() == pdu.ReservedTag:
		return pdu.RejectInvalidField
	case seg.n > 0 && !p.Write():
		return pdu.RejectInvalidField
	case ext.HasBidi && !(p.Read() && p.Write()):
		return pdu.RejectInvalidField
	case p.Immediate() && c.immediates.Load() >= maxImmediates:
		return pdu.RejectTooManyImmediate
	case c.knows(p.ITT()):
		return pdu.RejectTaskInProgress
	}
	return pdu.RejectNone
}

// taskAttr maps a task attribute that is not a reserved one (RFC 7143 11.3.1).
func taskAttr(a pdu.TaskAttr) scsi.TaskAttr {
	switch a {
	case pdu.AttrOrdered:
		return scsi.Ordered
	case pdu.AttrHeadOfQueue:
		return scsi.HeadOfQueue
	case pdu.AttrACA:
		return scsi.ACA
	}
	return scsi.Simple
}

// Respond implements fabric.Endpoint.
func (s *session) Respond(cmd *scsi.Command) {
	t := cmd.Driver.(*task)
	c := t.c
	if t.unsol && c.holdResponse(t) {
		return
	}
	_, n := cmd.DataIn()
	c.push(&t.resp, n)
}
