package scsi

// OpInfo is a row of the CDB table: what decoding, length and direction checks,
// admission, and REPORT SUPPORTED OPERATION CODES need to know of a command. Rows
// are read-only.
type OpInfo struct {
	Op        Opcode
	HasAction bool   // Action tells commands of the same operation code apart
	Action    uint16 // service action
	Name      string // as in the standard
	Len       uint8  // bytes of the CDB
	LBA       Field  // LOGICAL BLOCK ADDRESS
	Count     Field  // transfer, allocation or parameter list length, or number of blocks
	Rule      Rule   // how Count becomes a data length
	Dir       Direction
	Flags     OpFlags
	Reserve   ReserveClass
	ALUA      ALUAClass
	Timeout   TimeoutClass
	Types     TypeMask
	bits      [5][2]byte // {byte, mask} pairs of the CDB usage data beyond LBA and Count
}

// Field is a big-endian integer of Size bytes at offset Off of a CDB; Size 0 means
// that the command has no such field.
type Field struct{ Off, Size uint8 }

// Rule says how the Count field determines the length of the data.
type Rule uint8

// The rules.
const (
	RuleNone       Rule = iota // no data
	RuleBytes                  // Count is a length in bytes
	RuleBlocks                 // Count is a number of logical blocks, all transferred
	RuleBlocks6                // the same, and 0 means 256 (READ(6), WRITE(6))
	RuleVerify                 // Count blocks are transferred if BYTCHK is 01b, one if 11b (SBC-4 5.33)
	RuleOneBlock               // one block is transferred, none if NDOB is set (WRITE SAME)
	RuleCompare                // twice Count blocks (COMPARE AND WRITE)
	RuleFixed8                 // eight bytes (READ CAPACITY(10))
	RuleFormat                 // parameter list present if FMTDATA is set, as long as the initiator says
	RuleUnknown                // as long as the initiator says: a command that the table does not know
	RuleNoTransfer             // Count is a number of blocks, and no data is transferred (SYNCHRONIZE CACHE)
)

// OpFlags are the yes-or-no columns of the table.
type OpFlags uint16

// The flags.
const (
	FlagWrites      OpFlags = 1 << iota // changes the medium: refused on write-protected units
	FlagMedium                          // reads or changes the medium: LBA and Count are checked against the capacity
	FlagSkipUA                          // processed although a unit attention is pending (SAM-5 5.14)
	FlagImplicitHQ                      // may overtake waiting tasks although it is SIMPLE
	FlagEngine                          // executed by the engine unless the handler owns it
	FlagSPC2Allowed                     // no conflict with RESERVE(6) or (10) of another nexus
	FlagExclusive                       // treated as ORDERED: changes how other commands work
)

// ReserveClass says when a persistent reservation of another nexus makes a command
// end with RESERVATION CONFLICT (SPC-4 table 66, SBC-4 table 12).
type ReserveClass uint8

// The classes.
const (
	ReserveAllowed ReserveClass = iota // never
	ReserveRead                        // under the exclusive access types
	ReserveWrite                       // under all types
	ReserveOwn                         // the command has rules of its own (PERSISTENT RESERVE OUT, RESERVE, RELEASE)
	ReservePrevent                     // PREVENT ALLOW MEDIUM REMOVAL: never if PREVENT is zero
	ReserveStart                       // START STOP UNIT: never if it only starts the unit
)

// ALUAClass says in which asymmetric access states a command is processed
// (SPC-4 5.16.2.4).
type ALUAClass uint8

// The classes.
const (
	ALUAActive    ALUAClass = iota // only active/optimized and active/non-optimized
	ALUAStandbyOK                  // also standby
	ALUAAlways                     // also unavailable and transitioning
)

// TimeoutClass chooses the timeouts in REPORT SUPPORTED OPERATION CODES.
type TimeoutClass uint8

// The classes.
const (
	TimeoutRegular TimeoutClass = iota // 60 s
	TimeoutShort                       // 10 s
	TimeoutLong                        // 3600 s
)

// Seconds is the recommended command timeout.
func (t TimeoutClass) Seconds() uint32 { return [...]uint32{60, 10, 3600}[t] }

// TypeMask is a set of peripheral device types.
type TypeMask uint32

// Has reports whether t is in the set.
func (m TypeMask) Has(t DeviceType) bool { return m>>(t&0x1F)&1 != 0 }

const (
	allTypes   TypeMask = 0xFFFFFFFF
	blockTypes TypeMask = 1<<TypeDisk | 1<<TypeOptical
	mediaTypes TypeMask = blockTypes | 1<<TypeCDROM
)

// Lookup finds the row for a CDB on a device of type t. For a CDB that the table does
// not know it returns Unknown; it never returns nil.
func Lookup(t DeviceType, cdb []byte) *OpInfo {
	if len(cdb) == 0 {
		return Unknown
	}
	for _, r := range opIndex[cdb[0]] {
		if r.Types.Has(t) && (!r.HasAction || r.Action == ServiceActionOf(cdb)) {
			return r
		}
	}
	return Unknown
}

// Ops calls yield for every row for devices of type t, in the order of operation
// codes and service actions.
func Ops(t DeviceType) func(yield func(*OpInfo) bool) {
	return func(yield func(*OpInfo) bool) {
		for op := range opIndex {
			for _, r := range opIndex[op] {
				if r.Types.Has(t) && !yield(r) {
					return
				}
			}
		}
	}
}

// ServiceActionOf is the service action field of a CDB: bytes 8 and 9 of a
// variable-length CDB, otherwise the low five bits of byte 1. It is FFFFh, which no
// command has, if the CDB ends before the field.
func ServiceActionOf(cdb []byte) uint16 {
	switch {
	case len(cdb) < 2, cdb[0] == byte(OpVariableLength) && len(cdb) < 10:
		return 0xFFFF
	case cdb[0] == byte(OpVariableLength):
		return uint16(cdb[8])<<8 | uint16(cdb[9])
	}
	return uint16(cdb[1] & 0x1F)
}

// Unknown is the row of every CDB that is not in the table. Lengths and direction of
// such a command come from the handler's Parser if it has one, and otherwise from
// what the initiator announces. Its Op is FFh, which no row has: the operation code that
// was sent is the first byte of Command.CDB.
var Unknown = &OpInfo{Op: 0xFF, Name: "unknown", Rule: RuleUnknown, Reserve: ReserveWrite, Types: allTypes}

// AppendUsage appends the CDB usage data of the row (SPC-4 6.35.3): the operation code
// and service action themselves, and a one for every bit that is evaluated.
func (o *OpInfo) AppendUsage(dst []byte) []byte {
	if o.Len == 0 {
		return dst // Unknown
	}
	n := len(dst)
	dst = append(dst, make([]byte, o.Len)...)
	u := dst[n:]
	u[0] = byte(o.Op)
	for _, f := range [...]Field{o.LBA, o.Count} {
		for i := range f.Size {
			u[f.Off+i] = 0xFF
		}
	}
	if o.LBA == (Field{1, 3}) { // the 21-bit address of READ(6)
		u[1] = 0x1F
	}
	for _, b := range o.bits {
		if b[1] != 0 {
			u[b[0]] |= b[1]
		}
	}
	if o.HasAction {
		if o.Op == OpVariableLength {
			u[7] = 0xFF
			u[8], u[9] = byte(o.Action>>8), byte(o.Action)
		} else {
			u[1] = u[1]&^0x1F | byte(o.Action)
		}
	}
	u[o.control()] |= 0x04 // NACA
	return dst
}

// control is the offset of the CONTROL byte.
func (o *OpInfo) control() int {
	if o.Op == OpVariableLength {
		return 1
	}
	return int(o.Len) - 1
}

// opIndex has the rows of each operation code.
var opIndex = func() (ix [256][]*OpInfo) {
	for i := range opTable {
		r := &opTable[i]
		ix[r.Op] = append(ix[r.Op], r)
	}
	return ix
}()
