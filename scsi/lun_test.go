package scsi

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMakeLUN(t *testing.T) {
	for _, x := range []struct {
		n    uint16
		m    LUNMethod
		want LUN
	}{
		{0, LUNPeripheral, 0}, {0, LUNFlat, 0}, {0, LUNExtended, 0},
		{1, LUNPeripheral, 0x0001_0000_0000_0000},
		{255, LUNPeripheral, 0x00FF_0000_0000_0000},
		{256, LUNPeripheral, 0x4100_0000_0000_0000},
		{0x3FFF, LUNPeripheral, 0x7FFF_0000_0000_0000},
		{0x4000, LUNPeripheral, 0xD200_4000_0000_0000},
		{1, LUNFlat, 0x4001_0000_0000_0000},
		{0x3FFF, LUNFlat, 0x7FFF_0000_0000_0000},
		{0xFFFF, LUNFlat, 0xD200_FFFF_0000_0000},
		{1, LUNExtended, 0xD200_0001_0000_0000},
		{0xFFFF, LUNExtended, 0xD200_FFFF_0000_0000},
	} {
		require.Equal(t, x.want, MakeLUN(x.n, x.m), "%d by method %d", x.n, x.m)
	}
}

func TestLUNNumber(t *testing.T) {
	for _, x := range []struct {
		l  LUN
		n  uint16
		ok bool
	}{
		{0x0000_0000_0000_0000, 0, true},
		{0x0005_0000_0000_0000, 5, true},
		{0x0105_0000_0000_0000, 0, false}, // another bus
		{0x0005_0001_0000_0000, 0, false}, // second level
		{0x0005_0000_0000_0001, 0, false}, // last level
		{0x4000_0000_0000_0000, 0, true},  // flat space, 0
		{0x4005_0000_0000_0000, 5, true},
		{0x7FFF_0000_0000_0000, 0x3FFF, true},
		{0x4005_0000_0001_0000, 0, false},
		{0x8005_0000_0000_0000, 5, true}, // logical unit addressing
		{0x801F_0000_0000_0000, 31, true},
		{0x8025_0000_0000_0000, 0, false}, // another bus
		{0x8105_0000_0000_0000, 0, false}, // another target
		{0x8005_0001_0000_0000, 0, false},
		{0xD200_0005_0000_0000, 5, true},  // extended flat space
		{0xD201_0005_0000_0000, 0, false}, // beyond what a port maps
		{0xD200_0005_0000_0100, 0, false},
		{0xE200_0000_0005_0000, 5, true}, // long extended flat space
		{0xE200_0001_0005_0000, 0, false},
		{0xE200_0000_0005_0001, 0, false},
		{0xC101_0000_0000_0000, 0, false}, // well-known
		{0xC205_0000_0000_0000, 0, false}, // no such length
		{0xF200_0000_0000_0005, 0, false},
		{0xFFFF_FFFF_FFFF_FFFF, 0, false}, // not specified
	} {
		n, ok := x.l.Number()
		require.Equal(t, x.ok, ok, "%016x", uint64(x.l))
		require.Equal(t, x.n, n, "%016x", uint64(x.l))
	}
}

func TestLUNWellKnown(t *testing.T) {
	w, ok := WellKnownReportLUNs.WellKnown()
	require.True(t, ok)
	require.EqualValues(t, 1, w)
	for _, l := range []LUN{0, 0xC001 << 48, 0xC101<<48 | 1, 0xD101 << 48, 0x0101 << 48} {
		_, ok := l.WellKnown()
		require.False(t, ok, "%016x", uint64(l))
	}
}

func TestLUNString(t *testing.T) {
	require.Equal(t, "0", LUN(0).String())
	require.Equal(t, "300", MakeLUN(300, LUNPeripheral).String())
	require.Equal(t, "c101000000000000h", WellKnownReportLUNs.String())
}

func TestLUNRoundTrip(t *testing.T) {
	for _, m := range []LUNMethod{LUNPeripheral, LUNFlat, LUNExtended} {
		for n := range 0x10000 {
			got, ok := MakeLUN(uint16(n), m).Number()
			if !ok || int(got) != n {
				t.Fatalf("%d by method %d becomes %d, %v", n, m, got, ok)
			}
		}
	}
	b := AppendLUN([]byte{1}, 0x0102030405060708)
	require.Equal(t, []byte{1, 1, 2, 3, 4, 5, 6, 7, 8}, b)
	require.Equal(t, LUN(0x0102030405060708), ParseLUN([8]byte(b[1:])))
}

// FuzzLUN: a LUN is a number, or a well-known unit, or neither; never both.
func FuzzLUN(f *testing.F) {
	for _, l := range []LUN{0, 1 << 48, 0x4105 << 48, 0x8005 << 48, 0xD2000005 << 32, 0xE20000000005 << 16, WellKnownReportLUNs} {
		f.Add(uint64(l))
	}
	f.Fuzz(func(t *testing.T, v uint64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], v)
		l := ParseLUN(b)
		n, isNumber := l.Number()
		_, isKnown := l.WellKnown()
		if isNumber && isKnown || !isNumber && n != 0 || l.String() == "" {
			t.Fatalf("%016x: %d, %v, %v", v, n, isNumber, isKnown)
		}
		if isNumber {
			if m, ok := MakeLUN(n, LUNPeripheral).Number(); m != n || !ok {
				t.Fatalf("%d becomes %d", n, m)
			}
		}
	})
}
