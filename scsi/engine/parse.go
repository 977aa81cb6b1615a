package engine

import (
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// parse finds the lengths and direction of the command, checks them against what the
// initiator announced, and gets the buffers.
func (t *task) parse() error {
	d, op := t.n.d, t.Op()
	if err := d.supports(t.CDB(), op); err != nil {
		return err
	}
	t.in, t.out = t.DataLen(d.desc.BlockSize)
	t.writes = op.Flags&scsi.FlagWrites != 0
	if d.parser != nil && (d.desc.Parse == scsi.ParseAll || d.desc.Parse == scsi.ParseUnknown && op == scsi.Unknown) {
		p, err := t.askParser()
		if err != nil {
			return err
		}
		t.in, t.out, t.writes = p.In, p.Out, p.Writes
	}
	if t.in < 0 || t.out < 0 || t.out > d.desc.MaxTransfer || t.in > d.desc.MaxTransfer && op.Rule != scsi.RuleBytes {
		return scsi.BadCDB(int(op.Count.Off), -1)
	}
	return t.alloc()
}

// supports refuses commands that the handler's list does not have, so that what REPORT
// SUPPORTED OPERATION CODES reports is what is executed.
func (d *Device) supports(cdb []byte, op *scsi.OpInfo) error {
	if d.opcodes == nil || d.desc.Parse != scsi.ParseStandard {
		return nil
	}
	if d.known[cdb[0]/64]&(1<<(cdb[0]%64)) == 0 {
		return scsi.InvalidOpcode
	}
	if op != scsi.Unknown && !op.HasAction {
		return nil
	}
	action := scsi.ServiceActionOf(cdb)
	for _, o := range d.opcodes {
		if o.Op == scsi.Opcode(cdb[0]) && (!o.HasAction || o.Action == action) {
			return nil
		}
	}
	return badAction(cdb[0])
}

// badAction is the refusal of a service action (SPC-4 4.3.4).
func badAction(op byte) error {
	if scsi.Opcode(op) == scsi.OpVariableLength {
		return scsi.BadCDB(8, -1)
	}
	return scsi.BadCDB(1, 4)
}

// alloc sizes and gets the buffers. A read gets room for the blocks that the initiator
// can take, parameter data for all that the initiator allows within reason, and
// data-out for what the initiator will send.
func (t *task) alloc() (err error) {
	in, out := t.in, t.out
	if t.ExpectedSet {
		out = min(out, int64(t.ExpectedOut))
		if bs := int64(t.n.d.desc.BlockSize); t.wholeBlocks() && bs > 0 {
			in = min(in, (int64(t.ExpectedIn)+bs-1)/bs*bs)
			if out < t.out && out%bs != 0 && t.Op().Rule != scsi.RuleCompare {
				// Part of a block cannot be written. COMPARE AND WRITE has more to check first.
				return scsi.InvalidCommandIUField
			}
		}
	}
	if t.Op().Rule == scsi.RuleBytes {
		in = min(in, maxParameters)
	}
	t.fetch = out > 0
	switch {
	case in <= 0:
	case t.late():
		t.st.Room = int(in)
	default:
		if t.st.Data, err = t.buffer(in); err != nil {
			return t.noMemory(err)
		}
	}
	if out > 0 {
		// The data-out of a bidirectional command has a place of its own, also when the
		// initiator takes no data-in.
		place := &t.st.Data
		if t.in > 0 {
			place = &t.st.DataOut
		}
		if *place, err = t.buffer(out); err != nil {
			return t.noMemory(err)
		}
	}
	return nil
}

// late tells whether data-in gets a buffer only when the handler asks for it.
func (t *task) late() bool { return t.n.d.desc.LateData && t.out == 0 && t.wholeBlocks() }

// NeedData implements task.Owner: the handler lends nothing, or does not do so any more, and
// asks for the buffer that alloc has left out.
func (t *task) NeedData() (err error) {
	t.takeBack()
	if t.st.Data, err = t.buffer(int64(t.st.Room)); err != nil {
		return t.noMemory(err)
	}
	return nil
}

// wholeBlocks tells whether the command's data are logical blocks.
func (t *task) wholeBlocks() bool {
	switch t.Op().Rule {
	case scsi.RuleBlocks, scsi.RuleBlocks6, scsi.RuleVerify, scsi.RuleOneBlock, scsi.RuleCompare:
		return true
	}
	return false
}

// noMemory is the answer to a command that gets no buffer: TASK SET FULL if another
// command of the nexus will end and make room, else BUSY, lest the initiator wait for an
// event that never comes (SAM-5 5.3.1). One that will never get it is refused for good.
func (t *task) noMemory(err error) error {
	switch err {
	case sgv.ErrLimit:
	case sgv.ErrTooLarge:
		return scsi.InsufficientResources
	default:
		return err
	}
	t.n.set.mu.Lock()
	others := t.n.queued() > 1
	t.n.set.mu.Unlock()
	if others {
		return scsi.ErrTaskSetFull
	}
	return scsi.ErrBusy
}
