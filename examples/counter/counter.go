package main

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/unit"
)

// The commands of a Counter, in the range that is free for vendors (SPC-4 4.2.5.1).
const (
	opCount scsi.Opcode = 0xC0 // data-in: the count before, eight bytes, and the time of day
	opWait  scsi.Opcode = 0xC1 // ends after the milliseconds in bytes 2 to 5
	opSet   scsi.Opcode = 0xC2 // data-out: the new count, eight bytes
)

// The rows of the CDB table for them: the engine takes lengths and directions from here.
var (
	countInfo = scsi.OpInfo{Op: opCount, Name: "COUNT", Len: 10, Count: scsi.Field{Off: 7, Size: 2}, Rule: scsi.RuleBytes, Dir: scsi.DirIn, Types: allTypes}
	waitInfo  = scsi.OpInfo{Op: opWait, Name: "WAIT", Len: 10, Types: allTypes}
	setInfo   = scsi.OpInfo{Op: opSet, Name: "SET", Len: 10, Count: scsi.Field{Off: 7, Size: 2}, Rule: scsi.RuleBytes, Dir: scsi.DirOut, Types: allTypes}
)

const allTypes = ^scsi.TypeMask(0)

// Counter is a logical unit that counts. It is a scsi.Handler: the Unit in it has the
// commands that every logical unit needs, and the table for those of its own.
type Counter struct {
	*unit.Unit
	n atomic.Uint64
}

// NewCounter makes a Counter that starts at zero.
func NewCounter() *Counter {
	k := &Counter{Unit: unit.New(&unit.Options{Type: scsi.TypeProcessor, Product: "COUNTER", NonBlocking: true})}
	k.HandleInfo(&countInfo, k.count, k.count)
	k.HandleInfo(&waitInfo, k.wait, k.wait)
	k.HandleInfo(&setInfo, k.set, k.set)
	return k
}

// count answers at once. Reply cuts the answer to the allocation length.
func (k *Counter) count(c *scsi.Command) error {
	b := binary.BigEndian.AppendUint64(nil, k.n.Add(1)-1)
	return c.Reply(time.Now().AppendFormat(b, time.RFC3339))
}

// wait is deferred: it returns at once, holds no worker, and the command ends later, when
// Done is called. The context tells of an abort.
func (k *Counter) wait(c *scsi.Command) error {
	timer := time.NewTimer(time.Duration(binary.BigEndian.Uint32(c.CDB()[2:])) * time.Millisecond)
	aborted := c.Context()
	pending := c.Defer()
	go func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			pending.Done(nil)
		case <-aborted.Done():
			pending.Done(aborted.Err())
		}
	}()
	return nil
}

// set refuses what is not eight bytes with the sense data that points at the field.
func (k *Counter) set(c *scsi.Command) error {
	var room [8]byte
	b := c.Params(room[:0])
	if len(b) != len(room) {
		return scsi.BadCDB(7, -1)
	}
	k.n.Store(binary.BigEndian.Uint64(b))
	return nil
}
