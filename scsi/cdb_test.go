package scsi

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex is the bytes of hexadecimal text in which blanks do not count.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestDecode(t *testing.T) {
	for _, x := range []struct {
		name, cdb string
		lba       uint64
		count     uint32
		in, out   int64 // with blocks of 512 bytes
	}{
		{"TEST UNIT READY", "00 00 0000 00 00", 0, 0, 0, 0},
		{"REQUEST SENSE", "03 01 0000 fc 00", 0, 252, 252, 0},
		{"READ(6)", "08 1f ffff 01 00", 0x1FFFFF, 1, 512, 0},
		{"READ(6)", "08 00 0010 00 00", 16, 256, 256 * 512, 0},
		{"READ(6)", "08 e0 0001 02 00", 1, 2, 1024, 0}, // reserved bits are not part of the address
		{"WRITE(6)", "0a 01 0203 00 00", 0x10203, 256, 0, 256 * 512},
		{"INQUIRY", "12 01 83 0102 00", 0, 0x102, 0x102, 0},
		{"MODE SELECT(6)", "15 10 0000 18 00", 0, 24, 0, 24},
		{"MODE SENSE(6)", "1a 00 3f 00 ff 00", 0, 255, 255, 0},
		{"START STOP UNIT", "1b 00 0000 03 00", 0, 0, 0, 0},
		{"SEND DIAGNOSTIC", "1d 10 00 0004 00", 0, 4, 0, 4},
		{"READ CAPACITY(10)", "25 00 00000000 0000 00 00", 0, 0, 8, 0},
		{"READ(10)", "28 00 ffffffff 00 ffff 00", 0xFFFFFFFF, 0xFFFF, 0xFFFF * 512, 0},
		{"READ(10)", "28 00 00000001 00 0000 00", 1, 0, 0, 0}, // zero is zero
		{"WRITE(10)", "2a 08 01020304 00 0102 00", 0x01020304, 0x102, 0, 0x102 * 512},
		{"WRITE AND VERIFY(10)", "2e 02 00000005 00 0003 00", 5, 3, 0, 1536},
		{"VERIFY(10)", "2f 00 00000005 00 0003 00", 5, 3, 0, 0},
		{"VERIFY(10)", "2f 02 00000005 00 0003 00", 5, 3, 0, 1536},
		{"VERIFY(10)", "2f 04 00000005 00 0003 00", 5, 3, 0, 0},
		{"VERIFY(10)", "2f 06 00000005 00 0003 00", 5, 3, 0, 512},
		{"VERIFY(10)", "2f 06 00000005 00 0000 00", 5, 0, 0, 0},
		{"PRE-FETCH(10)", "34 00 00000005 00 0003 00", 5, 3, 0, 0},
		{"SYNCHRONIZE CACHE(10)", "35 00 00000005 00 0003 00", 5, 3, 0, 0},
		{"READ BUFFER(10)", "3c 02 00 000000 010203 00", 0, 0x10203, 0x10203, 0},
		{"WRITE BUFFER", "3b 02 00 000000 010203 00", 0, 0x10203, 0, 0x10203},
		{"WRITE SAME(10)", "41 01 00000005 00 0003 00", 5, 3, 0, 512}, // bit 0 is not NDOB here
		{"UNMAP", "42 00 00000000 00 0018 00", 0, 24, 0, 24},
		{"LOG SENSE", "4d 00 40 00 00 0000 0200 00", 0, 512, 512, 0},
		{"PERSISTENT RESERVE IN, READ FULL STATUS", "5e 03 0000000000 1000 00", 0, 4096, 4096, 0},
		{"PERSISTENT RESERVE OUT, RESERVE", "5f 01 05 0000 00000018 00", 0, 24, 0, 24},
		{"READ(32)", "7f 00 00000000 00 18 0009 00 00 0102030405060708 00000000 0000 0000 00000002 ", 0x0102030405060708, 2, 1024, 0},
		{"VERIFY(32)", "7f 00 00000000 00 18 000a 02 00 0000000000000001 00000000 0000 0000 00000002 ", 1, 2, 0, 1024},
		{"WRITE SAME(32)", "7f 00 00000000 00 18 000d 00 00 0000000000000001 00000000 0000 0000 00000002 ", 1, 2, 0, 512},
		{"WRITE SAME(32)", "7f 00 00000000 00 18 000d 01 00 0000000000000001 00000000 0000 0000 00000002 ", 1, 2, 0, 0},
		{"EXTENDED COPY(LID1)", "83 00 0000000000000000 00000100 00 00", 0, 256, 0, 256},
		{"READ(16)", "88 00 ffffffffffffffff ffffffff 00 00", 1<<64 - 1, 1<<32 - 1, (1<<32 - 1) * 512, 0},
		{"COMPARE AND WRITE", "89 00 0000000000000009 000000 ff 00 00", 9, 255, 0, 2 * 255 * 512},
		{"WRITE(16)", "8a 00 0000000000000009 00000002 00 00", 9, 2, 0, 1024},
		{"ORWRITE(16)", "8b 00 0000000000000009 00000002 00 00", 9, 2, 0, 1024},
		{"VERIFY(16)", "8f 06 0000000000000009 00000002 00 00", 9, 2, 0, 512},
		{"SYNCHRONIZE CACHE(16)", "91 00 0000000000000009 00000002 00 00", 9, 2, 0, 0},
		{"WRITE SAME(16)", "93 00 0000000000000009 00000000 00 00", 9, 0, 0, 512},
		{"WRITE SAME(16)", "93 01 0000000000000009 00000002 00 00", 9, 2, 0, 0},
		{"WRITE ATOMIC(16)", "9c 00 0000000000000009 0008 0010 00 00", 9, 16, 0, 16 * 512},
		{"READ CAPACITY(16)", "9e 10 0000000000000000 00000020 00 00", 0, 32, 32, 0},
		{"GET LBA STATUS(16)", "9e 12 0000000000000100 00000018 00 00", 256, 24, 24, 0},
		{"REPORT LUNS", "a0 00 00 000000 00001000 00 00", 0, 4096, 4096, 0},
		{"REPORT SUPPORTED OPERATION CODES", "a3 0c 80 00 0000 00010000 00 00", 0, 65536, 65536, 0},
		{"SET TARGET PORT GROUPS", "a4 0a 00 00 0000 0000000c 00 00", 0, 12, 0, 12},
		{"READ(12)", "a8 00 80000000 80000000 00 00", 1 << 31, 1 << 31, 1 << 40, 0},
		{"WRITE(12)", "aa 00 00000001 00000001 00 00", 1, 1, 0, 512},
	} {
		t.Run(x.name, func(t *testing.T) {
			var c Command
			c.SetCDB(unhex(t, x.cdb))
			require.NoError(t, c.Decode(TypeDisk))
			require.Equal(t, x.name, c.Op().Name)
			require.Equal(t, x.lba, c.LBA())
			require.Equal(t, x.count, c.Count())
			require.Equal(t, x.count, c.Blocks())
			in, out := c.DataLen(512)
			require.Equal(t, []int64{x.in, x.out}, []int64{in, out})
		})
	}
}

// TestDecodeInitiatorLength is about commands whose length only the initiator knows.
func TestDecodeInitiatorLength(t *testing.T) {
	for _, x := range []struct {
		cdb     string
		in, out int64
	}{
		{"04 10 00 0000 00", 0, 40},           // FORMAT UNIT with FMTDATA
		{"04 00 00 0000 00", 0, 0},            // and without
		{"07 00 00 0000 00", 0, 40},           // REASSIGN BLOCKS sends a list
		{"c0 00 00 0000 00", 30, 40},          // not in the table
		{"7f 00 0000 0000 0018 7777", 30, 40}, // nor this
	} {
		var c Command
		c.Request = Request{ExpectedIn: 30, ExpectedOut: 40, ExpectedSet: true}
		c.SetCDB(unhex(t, x.cdb))
		require.NoError(t, c.Decode(TypeDisk))
		in, out := c.DataLen(512)
		require.Equal(t, []int64{x.in, x.out}, []int64{in, out}, x.cdb)
	}
}

func TestDecodeControl(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		typ := DeviceType(0)
		for !o.Types.Has(typ) {
			typ++
		}
		cdb := AppendCDB(nil, o, 0, 0)
		at := int(o.Len) - 1
		if o.Op == OpVariableLength {
			at = 1
		}
		var c Command
		for _, x := range []struct {
			control byte
			ok      bool
			naca    bool
		}{{0, true, false}, {0x04, true, true}, {0xC4, true, true}, {0x01, false, false}, {0x02, false, false}, {0x05, false, false}} {
			cdb[at] = x.control
			c.SetCDB(cdb)
			err := c.Decode(typ)
			require.Equal(t, x.ok, err == nil, "%02x: %v", x.control, err)
			if x.ok {
				require.Equal(t, x.naca, c.NACA())
				continue
			}
			require.ErrorIs(t, err, InvalidFieldInCDB)
			var e *SenseError
			require.ErrorAs(t, err, &e)
			require.EqualValues(t, at, e.Field.Byte)
			require.False(t, e.Field.Data)
		}
	})
}

// TestDecodeShort cuts every CDB at every length: that is an error, not a panic, and no
// data is transferred for it.
func TestDecodeShort(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		typ := DeviceType(0)
		for !o.Types.Has(typ) {
			typ++
		}
		cdb := AppendCDB(nil, o, 1, 1)
		for n := range cdb {
			var c Command
			c.SetCDB(cdb[:n:n])
			err := c.Decode(typ)
			if c.Op() == Unknown {
				continue // cut before its service action: not this command
			}
			require.ErrorIs(t, err, InvalidFieldInCDB)
			in, out := c.DataLen(512)
			require.Zero(t, in)
			require.Zero(t, out)
		}
		var c Command
		c.SetCDB(append(cdb, make([]byte, 8)...)) // a transport that always sends 16 bytes
		require.NoError(t, c.Decode(typ))
		require.Same(t, o, c.Op())
	})
}

func TestDecodeAdditionalLength(t *testing.T) {
	cdb := AppendCDB(nil, Lookup(TypeDisk, []byte{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 9}), 1, 1)
	require.EqualValues(t, 0x18, cdb[7])
	for _, n := range []byte{0x00, 0x17, 0x19, 0x1C, 0xFF} {
		cdb[7] = n
		var c Command
		c.SetCDB(cdb)
		err := c.Decode(TypeDisk)
		require.ErrorIs(t, err, InvalidFieldInCDB)
		var e *SenseError
		require.ErrorAs(t, err, &e)
		require.Equal(t, FieldPointer{Byte: 7}, *e.Field)
	}
}

func TestDecodeForgets(t *testing.T) {
	var c Command
	c.SetCDB(AppendRead16(nil, 5, 6))
	require.NoError(t, c.Decode(TypeDisk))
	c.SetCDB([]byte{0, 0, 0, 0, 0, 0})
	require.NoError(t, c.Decode(TypeDisk))
	require.Zero(t, c.LBA())
	require.Zero(t, c.Count())
	c.SetCDB([]byte{0x88})
	require.Same(t, Unknown, c.Op())
	require.Error(t, c.Decode(TypeDisk))
	require.Zero(t, c.LBA())
}

func TestField(t *testing.T) {
	for _, size := range []uint8{1, 2, 3, 4, 8} {
		b := bytes.Repeat([]byte{0xEE}, 12)
		f := Field{2, size}
		v := uint64(0x0102030405060708) >> (8 * (8 - size))
		f.Put(b, v)
		require.Equal(t, v, f.Get(b), "%d bytes", size)
		require.Equal(t, []byte{0xEE, 0xEE, 0x01}, b[:3])
		require.EqualValues(t, 0xEE, b[2+size])
	}
	require.Zero(t, Field{}.Get([]byte{0xFF}))
}

func TestAppendCDB(t *testing.T) {
	read := Lookup(TypeDisk, []byte{0x88, 0})
	require.Equal(t, AppendRead16([]byte{9}, 7, 8), AppendCDB([]byte{9}, read, 7, 8))
	write := Lookup(TypeDisk, []byte{0x8A, 0})
	require.Equal(t, AppendWrite16([]byte{9}, 7, 8), AppendCDB([]byte{9}, write, 7, 8))
	require.Equal(t, unhex(t, "9e10 0000000000000000 00000020 00 00"),
		AppendCDB(nil, Lookup(TypeDisk, []byte{0x9E, 0x10}), 0, 32))
	require.Equal(t, unhex(t, "08 012345 00 00"), AppendCDB(nil, Lookup(TypeDisk, []byte{8}), 0x12345, 256))
}

// FuzzDecode decodes any CDB for any device type. What comes out is within what the CDB
// can say.
func FuzzDecode(f *testing.F) {
	for i := range opTable {
		f.Add(AppendCDB(nil, &opTable[i], 0x123456, 0x78), uint8(0), uint16(9))
	}
	f.Add([]byte{}, uint8(5), uint16(512))
	f.Fuzz(func(t *testing.T, cdb []byte, typ uint8, blockSize uint16) {
		var c Command
		c.ExpectedIn, c.ExpectedOut = 1, 2
		c.SetCDB(cdb)
		err := c.Decode(DeviceType(typ))
		in, out := c.DataLen(int(blockSize))
		if in < 0 || out < 0 {
			t.Fatalf("lengths %d, %d", in, out)
		}
		o := c.Op()
		if o == nil {
			t.Fatal("no row")
		}
		if err != nil {
			return
		}
		if o != Unknown && !o.Types.Has(DeviceType(typ)) {
			t.Fatalf("%s for device type %02x", o.Name, typ)
		}
		if o.Dir&DirIn == 0 && in != 0 && o != Unknown || o.Dir&DirOut == 0 && out != 0 && o != Unknown {
			t.Fatalf("%s transfers %d, %d", o.Name, in, out)
		}
		if len(o.AppendUsage(nil)) != int(o.Len) {
			t.Fatalf("usage of %s", o.Name)
		}
	})
}
