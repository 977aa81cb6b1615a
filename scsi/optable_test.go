package scsi

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/script"
)

// everyRow calls f for each row of the table, as a subtest.
func everyRow(t *testing.T, f func(t *testing.T, o *OpInfo)) {
	t.Helper()
	for i := range opTable {
		t.Run(opTable[i].Name, func(t *testing.T) { f(t, &opTable[i]) })
	}
}

// TestTableLength checks lengths against the group code, the upper three bits of the
// operation code (SPC-4 4.2.5.1).
func TestTableLength(t *testing.T) {
	lengths := [8]uint8{6, 10, 10, 0, 16, 12, 0, 0}
	everyRow(t, func(t *testing.T, o *OpInfo) {
		if o.Op == OpVariableLength {
			require.EqualValues(t, 32, o.Len)
			return
		}
		require.Equal(t, lengths[o.Op>>5], o.Len)
		require.NotZero(t, o.Len)
	})
}

// TestTableOrder wants rows in ascending order, which REPORT SUPPORTED OPERATION CODES
// keeps.
func TestTableOrder(t *testing.T) {
	for i := 1; i < len(opTable); i++ {
		a, b := &opTable[i-1], &opTable[i]
		before := a.Op < b.Op || a.Op == b.Op && a.Action < b.Action
		require.True(t, before, "%s before %s", a.Name, b.Name)
	}
}

// TestTableUnambiguous wants that no CDB fits two rows for the same device type.
func TestTableUnambiguous(t *testing.T) {
	for i := range opTable {
		for j := range i {
			a, b := &opTable[i], &opTable[j]
			if a.Op != b.Op || a.Types&b.Types == 0 {
				continue
			}
			require.True(t, a.HasAction && b.HasAction && a.Action != b.Action, "%s and %s", a.Name, b.Name)
		}
	}
}

// TestTableFields wants every field and every usage bit inside of the CDB, in bytes of
// its own.
func TestTableFields(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		used := make([]byte, o.Len)
		claim := func(at int, mask byte) {
			require.Less(t, at, int(o.Len))
			require.Zero(t, used[at]&mask, "byte %d", at)
			used[at] |= mask
		}
		claim(0, 0xFF)
		claim(o.control(), 0xFF)
		switch {
		case o.Op == OpVariableLength:
			claim(7, 0xFF)
			claim(8, 0xFF)
			claim(9, 0xFF)
		case o.HasAction:
			require.LessOrEqual(t, o.Action, uint16(0x1F))
			claim(1, 0x1F)
		default:
			require.Zero(t, o.Action)
		}
		for _, f := range []Field{o.LBA, o.Count} {
			require.Contains(t, []uint8{0, 1, 2, 3, 4, 8}, f.Size)
			for i := range f.Size {
				mask := byte(0xFF)
				if f == (Field{1, 3}) && i == 0 {
					mask = 0x1F // the 21-bit address
				}
				claim(int(f.Off+i), mask)
			}
		}
		for _, b := range o.bits {
			if b[1] != 0 {
				claim(int(b[0]), b[1])
			}
		}
	})
}

// TestTableRule wants rule, direction and flags to fit each other.
func TestTableRule(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		switch o.Rule {
		case RuleNone, RuleNoTransfer:
			require.Equal(t, DirNone, o.Dir)
		case RuleVerify, RuleOneBlock, RuleCompare, RuleFormat:
			require.Equal(t, DirOut, o.Dir)
		case RuleFixed8:
			require.Equal(t, DirIn, o.Dir)
		default:
			require.Contains(t, []Direction{DirIn, DirOut}, o.Dir)
		}
		switch o.Rule {
		case RuleBytes:
			require.NotZero(t, o.Count.Size)
			require.Zero(t, o.Flags&FlagMedium)
		case RuleBlocks, RuleBlocks6, RuleVerify, RuleOneBlock, RuleCompare, RuleNoTransfer:
			require.NotZero(t, o.Count.Size)
			require.NotZero(t, o.LBA.Size)
			require.NotZero(t, o.Flags&FlagMedium)
		default:
			require.Zero(t, o.Flags&FlagMedium)
		}
		if o.Flags&FlagWrites != 0 {
			require.Equal(t, DirOut, o.Dir)
			require.Contains(t, []ReserveClass{ReserveWrite, ReserveOwn}, o.Reserve)
		}
		require.NotZero(t, o.Types)
		require.NotZero(t, o.Timeout.Seconds())
		require.Equal(t, strings.ToUpper(o.Name), o.Name)
	})
}

// TestTableLookup finds each row by a CDB that has nothing but its code, for each of its
// device types and for no other.
func TestTableLookup(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		cdb := AppendCDB(nil, o, 0, 0)
		for d := range DeviceType(0x20) {
			if o.Types.Has(d) {
				require.Same(t, o, Lookup(d, cdb))
			} else {
				require.Same(t, Unknown, Lookup(d, cdb))
			}
		}
	})
}

func TestLookupUnknown(t *testing.T) {
	for _, cdb := range [][]byte{nil, {}, {0x7F}, {0xC0}, {0x01, 0, 0, 0, 0, 0}, {0xA3}, {0x9E}, {0x9E, 0x1F},
		{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0}, {0x5E, 0x04, 0, 0, 0, 0, 0, 0, 0, 0}} {
		require.Same(t, Unknown, Lookup(TypeDisk, cdb), "%x", cdb)
	}
	require.EqualValues(t, 0xFFFF, ServiceActionOf(nil))
	require.EqualValues(t, 0xFFFF, ServiceActionOf([]byte{0x9E}))
	require.EqualValues(t, 0xFFFF, ServiceActionOf([]byte{0x7F, 0, 0, 0, 0, 0, 0, 0, 0}))
	require.EqualValues(t, 0x0109, ServiceActionOf([]byte{0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 9}))
	require.EqualValues(t, 0x10, ServiceActionOf([]byte{0x9E, 0xF0}))
}

func TestOpsStops(t *testing.T) {
	n := 0
	for range Ops(TypeDisk) {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}

// TestTableGolden shows the whole table as initiators see it: the CDB usage data, and as
// the engine does. The files have been compared with the CDB formats of SPC-4, SBC-3,
// SBC-4 (WRITE ATOMIC) and SPC-2 (RESERVE and RELEASE).
func TestTableGolden(t *testing.T) {
	types := map[string]DeviceType{"disk": TypeDisk, "tape": TypeTape, "cdrom": TypeCDROM, "processor": TypeProcessor}
	script.RunDir(t, "testdata/optable", func(t *testing.T) script.Func {
		return func(c *script.Cmd) string {
			typ, ok := types[c.Str("type", "")]
			require.True(t, ok)
			var b strings.Builder
			for o := range Ops(typ) {
				switch c.Name {
				case "usage":
					fmt.Fprintf(&b, "%-43s %s\n", o.Name, hex.EncodeToString(o.AppendUsage(nil)))
				case "classes":
					fmt.Fprintf(&b, "%-43s %s %s %s\n", o.Name, reserveNames[o.Reserve], aluaNames[o.ALUA], flagNames(o.Flags))
				default:
					c.Fatalf("unknown command")
				}
			}
			return b.String()
		}
	})
}

var (
	reserveNames = [...]string{"allowed", "read", "write", "own", "prevent", "start"}
	aluaNames    = [...]string{"active", "standby", "always"}
)

func flagNames(f OpFlags) string {
	var s []string
	for i, name := range []string{"writes", "medium", "skip-ua", "implicit-hq", "engine", "spc2-allowed", "exclusive"} {
		if f>>i&1 != 0 {
			s = append(s, name)
		}
	}
	if len(s) == 0 {
		return "-"
	}
	return strings.Join(s, ",")
}

// TestUnknownIsNoCommand: a handler that switches on the row's operation code must not take
// a command that the table lacks for one that it has.
func TestUnknownIsNoCommand(t *testing.T) {
	for typ := TypeDisk; typ <= TypeNone; typ++ {
		for o := range Ops(typ) {
			require.NotEqual(t, Unknown.Op, o.Op)
		}
	}
	require.Same(t, Unknown, Lookup(TypeDisk, []byte{0xC0, 0, 0, 0, 0, 0}))
}
