package disk

import (
	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/rangelock"
	"github.com/goscst/goscst/scsi"
)

// operation is a READ or WRITE on its way through a Submitter. It belongs to the pool of
// its medium.
type operation struct {
	op      backstore.Op
	m       *medium
	c       *scsi.Command
	pending scsi.Pending
	guard   rangelock.Guard // of a write
	what    failed
	durable bool // a flush follows the write
}

// submit hands a READ or WRITE to the store, which ends the command when it is done.
// guard, which locks the blocks of a write, goes with it. fua of a write says that it
// must be durable.
func (d *Disk) submit(c *scsi.Command, m *medium, t *transfer, guard rangelock.Guard) {
	o := m.ops.Get().(*operation)
	o.c, o.guard, o.what, o.durable = c, guard, reading, false
	o.op.Kind, o.op.FUA = backstore.OpRead, false
	if c.Op().Dir == scsi.DirOut {
		o.what, o.op.Kind = writing, backstore.OpWrite
		o.op.FUA = t.fua && m.ab.FUAWriter != nil
		o.durable = t.fua && !o.op.FUA
	}
	o.op.Iov, o.op.Off, o.op.Len = t.buf.Segs(), t.off, int64(t.n)
	if d.opts.Removable {
		m.users.Add(1) // the caller holds it, so that this cannot fail
	}
	o.pending = c.Defer()
	o.op.Arm(c.Context(), o)
	m.ab.Submitter.Submit(&o.op)
}

// OpDone continues with the flush of a write that has to be durable, or ends the command.
func (o *operation) OpDone(op *backstore.Op, err error) {
	m, d := o.m, o.m.d
	if err == nil && op.Kind == backstore.OpWrite && m.volatile && !op.FUA && (o.durable || !d.wce.Load()) {
		op.Kind, op.Iov = backstore.OpFlush, nil
		op.Arm(o.c.Context(), o)
		m.ab.Submitter.Submit(op)
		return
	}
	pending := o.pending
	err = d.sense(o.c, err, o.what, o.c.LBA())
	o.guard.Unlock()
	op.Iov = nil
	o.c, o.pending, o.guard = nil, scsi.Pending{}, rangelock.Guard{}
	m.ops.Put(o)
	if d.opts.Removable {
		m.release()
	}
	pending.Done(err)
}
