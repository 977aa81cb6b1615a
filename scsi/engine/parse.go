package engine

import (
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// parse finds the lengths and direction of the command, checks them against what the
// initiator announced, and gets the buffers.
func (t *task) parse() error {
	d := t.n.d
	op := t.Op()
	if t.Attr == scsi.ACA {
		// Without an ACA condition this attribute is an error (SAM-6 8.6.5). It was let in,
		// so the condition exists if the set is frozen.
		t.n.set.mu.Lock()
		ok := t.n.set.m.Frozen()
		t.n.set.mu.Unlock()
		if !ok {
			return scsi.InvalidMessage
		}
	}
	if d.known != nil && !d.known[t.CDB()[0]] && d.desc.Parse == scsi.ParseStandard {
		return scsi.InvalidOpcode
	}
	t.in, t.out = t.DataLen(d.desc.BlockSize)
	if d.parser != nil && (d.desc.Parse == scsi.ParseAll || d.desc.Parse == scsi.ParseUnknown && op == scsi.Unknown) {
		var p scsi.Parsed
		if err := d.parser.Parse(&t.Command, &p); err != nil {
			return err
		}
		t.in, t.out = p.In, p.Out
		if p.Writes && (t.n.ReadOnly || d.control.Load().SWP) {
			return scsi.WriteProtected
		}
	}
	if t.in < 0 || t.out < 0 || t.out > d.desc.MaxTransfer || t.in > d.desc.MaxTransfer && op.Rule != scsi.RuleBytes {
		return scsi.BadCDB(int(op.Count.Off), -1)
	}
	return t.alloc()
}

// alloc sizes and gets the buffers. A read gets room for the blocks that the initiator
// can take, parameter data for all that the initiator allows within reason, and
// data-out for what the initiator will send.
func (t *task) alloc() error {
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
	var err error
	switch {
	case in > 0 && out > 0:
		if t.st.Data, err = t.buffer(in); err == nil {
			t.st.DataOut, err = t.buffer(out)
		}
	case in > 0:
		t.st.Data, err = t.buffer(in)
	case out > 0:
		t.st.Data, err = t.buffer(out)
	}
	if err != nil {
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

// noMemory is the answer to a command that gets no buffer: see turnAway, but for one
// that will never get it.
func (t *task) noMemory(err error) error {
	switch err {
	case sgv.ErrLimit:
	case sgv.ErrTooLarge:
		return scsi.InsufficientResources
	default:
		return err
	}
	t.n.set.mu.Lock()
	others := t.n.queued > 1
	t.n.set.mu.Unlock()
	if others {
		return scsi.ErrTaskSetFull
	}
	return scsi.ErrBusy
}
