package sbc

import "github.com/goscst/goscst/scsi"

// WriteSame is what the flags of a WRITE SAME (10), (16) or (32) CDB ask for (SBC-4, WRITE
// SAME commands).
type WriteSame struct {
	Unmap   bool  // the blocks may be unmapped
	Anchor  bool  // they shall be anchored
	NDOB    bool  // no data-out: write zeros
	Protect uint8 // WRPROTECT
}

// WriteSameRules are the abilities of a unit that the flags are checked against.
type WriteSameRules struct {
	Unmap   bool   // WRITE SAME with UNMAP is supported, by this length of CDB
	Anchor  bool   // anchored blocks are supported
	Protect bool   // the unit has protection information
	WSNZ    bool   // a number of blocks of zero is refused
	Max     uint64 // most blocks of one command; 0: no limit
}

// ParseWriteSame decodes the flags of a WRITE SAME CDB, which Decode of a scsi.Command has
// found long enough; its errors are sense codes with a field pointer.
func ParseWriteSame(cdb []byte) (WriteSame, error) {
	at, ndob := 1, false
	switch {
	case len(cdb) == 0:
		return WriteSame{}, scsi.InvalidFieldInCDB
	case scsi.Opcode(cdb[0]) == scsi.OpVariableLength:
		at, ndob = 10, true
	case scsi.Opcode(cdb[0]) == scsi.OpWriteSame16:
		ndob = true
	}
	if len(cdb) <= at {
		return WriteSame{}, scsi.InvalidFieldInCDB
	}
	f := cdb[at]
	if f&0x06 != 0 { // PBDATA and LBDATA are obsolete
		return WriteSame{}, scsi.BadCDB(at, 2)
	}
	if f&1 != 0 && !ndob {
		return WriteSame{}, scsi.BadCDB(at, 0)
	}
	return WriteSame{Unmap: has(f, 3), Anchor: has(f, 4), NDOB: has(f, 0), Protect: f >> 5}, nil
}

// Check refuses flags that contradict each other or the rules. blocks is the number of
// blocks in the CDB; if it is zero and the rules allow that, the command reaches from its LBA
// to the end of the unit, and rest is how many blocks that is. Errors are sense codes with a
// field pointer where the field has the same place in every length of CDB.
func (w WriteSame) Check(cdb []byte, r *WriteSameRules, blocks uint32, rest uint64) error {
	at := 1
	if len(cdb) > 0 && scsi.Opcode(cdb[0]) == scsi.OpVariableLength {
		at = 10
	}
	switch {
	case w.Protect != 0 && !r.Protect:
		return scsi.BadCDB(at, 7)
	case w.Unmap && !r.Unmap:
		return scsi.BadCDB(at, 3)
	case w.Anchor && (!w.Unmap || !r.Anchor):
		return scsi.BadCDB(at, 4)
	case blocks == 0 && r.WSNZ:
		return scsi.InvalidFieldInCDB
	}
	n := uint64(blocks)
	if n == 0 {
		n = rest
	}
	if r.Max != 0 && n > r.Max {
		return scsi.InvalidFieldInCDB
	}
	return nil
}
