package scsi

import "encoding/binary"

// MaxCDB is the longest CDB that a command holds (SPC-4 4.2.1).
const MaxCDB = 260

// Get reads the field from a CDB that is long enough for it.
func (f Field) Get(cdb []byte) uint64 {
	b := cdb[f.Off:]
	switch f.Size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 3:
		return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2])
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Put writes v into the field of a CDB.
func (f Field) Put(cdb []byte, v uint64) {
	for i := int(f.Size) - 1; i >= 0; i-- {
		cdb[int(f.Off)+i] = byte(v)
		v >>= 8
	}
}

// Decode looks up the CDB for a device of type t and decodes its fields. It refuses
// a CDB that is empty or too short and a linked command. The engine and test recorders call
// it before Exec.
func (c *Command) Decode(t DeviceType) error {
	cdb := c.cdb
	o := Lookup(t, cdb)
	c.op, c.lba, c.count = o, 0, 0
	if len(cdb) == 0 {
		return InvalidOpcode
	}
	if len(cdb) < int(o.Len) {
		return InvalidFieldInCDB
	}
	if o.Len == 0 {
		return nil
	}
	if o.Op == OpVariableLength && cdb[7] != o.Len-8 {
		return BadCDB(7, -1) // ADDITIONAL CDB LENGTH (SPC-4 4.3.3)
	}
	ctl := o.control()
	if cdb[ctl]&0x03 != 0 { // LINK and FLAG of SAM-3: linked commands are obsolete
		return BadCDB(ctl, 0)
	}
	c.naca = cdb[ctl]&0x04 != 0
	if o.LBA.Size != 0 {
		c.lba = o.LBA.Get(cdb)
		if o.LBA.Off == 1 {
			c.lba &= 0x1FFFFF
		}
	}
	if o.Count.Size != 0 {
		c.count = uint32(o.Count.Get(cdb))
		if c.count == 0 && o.Rule == RuleBlocks6 {
			c.count = 256 // SBC-4 5.12: zero means 256
		}
	}
	return nil
}

// DataLen is how many bytes the command transfers each way according to its CDB, on a
// unit with blocks of blockSize bytes. For a rule that leaves the length to the
// initiator it is what the initiator expects.
func (c *Command) DataLen(blockSize int) (in, out int64) {
	if len(c.cdb) < int(c.op.Len) {
		return 0, 0 // Decode has refused the command
	}
	n := int64(c.count)
	switch c.op.Rule {
	case RuleNone, RuleNoTransfer:
		n = 0
	case RuleBytes:
	case RuleBlocks, RuleBlocks6:
		n *= int64(blockSize)
	case RuleVerify:
		at := 1
		if c.op.Op == OpVariableLength {
			at = 10
		}
		switch c.cdb[at] >> 1 & 3 { // BYTCHK
		case 1:
			n *= int64(blockSize)
		case 3:
			n = min(n, 1) * int64(blockSize) // no block is transferred if none is verified
		default:
			n = 0
		}
	case RuleOneBlock:
		n = int64(blockSize)
		switch {
		case c.op.Op == OpWriteSame16 && c.cdb[1]&1 != 0, // NDOB
			c.op.Op == OpVariableLength && c.cdb[10]&1 != 0:
			n = 0
		}
	case RuleCompare:
		n *= 2 * int64(blockSize)
	case RuleFixed8:
		n = 8
	case RuleFormat:
		n = 0
		if c.cdb[1]&0x10 != 0 { // FMTDATA
			n = int64(c.ExpectedOut)
		}
	case RuleUnknown:
		in, out = int64(c.ExpectedIn), int64(c.ExpectedOut)
		switch c.op.Dir {
		case DirIn:
			out = 0
		case DirOut:
			in = 0
		}
		return in, out
	}
	switch c.op.Dir {
	case DirIn:
		return n, 0
	case DirOut:
		return 0, n
	}
	return 0, 0
}

// CDB builders, for initiators and tests. Each appends one CDB.

// AppendCDB appends the CDB of a row with its LBA and Count fields set.
func AppendCDB(dst []byte, o *OpInfo, lba uint64, count uint32) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, o.Len)...)
	b := dst[n:]
	b[0] = byte(o.Op)
	if o.LBA.Size != 0 {
		o.LBA.Put(b, lba)
	}
	if o.Count.Size != 0 {
		o.Count.Put(b, uint64(count))
	}
	if o.HasAction {
		if o.Op == OpVariableLength {
			b[7] = o.Len - 8
			binary.BigEndian.PutUint16(b[8:], o.Action)
		} else {
			b[1] = b[1]&^0x1F | byte(o.Action)
		}
	}
	return dst
}

// AppendRead16 appends READ(16).
func AppendRead16(dst []byte, lba uint64, blocks uint32) []byte {
	return appendRW16(dst, OpRead16, lba, blocks)
}

// AppendWrite16 appends WRITE(16).
func AppendWrite16(dst []byte, lba uint64, blocks uint32) []byte {
	return appendRW16(dst, OpWrite16, lba, blocks)
}

func appendRW16(dst []byte, op Opcode, lba uint64, blocks uint32) []byte {
	dst = append(dst, byte(op), 0)
	dst = binary.BigEndian.AppendUint64(dst, lba)
	dst = binary.BigEndian.AppendUint32(dst, blocks)
	return append(dst, 0, 0)
}
