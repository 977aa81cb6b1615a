package spc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestDesignatorsRoundTrip(t *testing.T) {
	for _, d := range allDesignators {
		b := AppendDesignator([]byte{0xEE}, d)
		got, n, err := ParseDesignator(append(b[1:], 0xFF))
		require.NoError(t, err)
		require.Equal(t, len(b)-1, n)
		require.Empty(t, cmp.Diff(d, got))
		for cut := range len(b) - 1 {
			_, _, err := ParseDesignator(b[1 : 1+cut])
			require.ErrorIs(t, err, ErrShort)
		}
	}
	b := AppendDesignators(nil, allDesignators)
	got, err := ParseDesignators(b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(allDesignators, got))
	got, err = ParseDesignators(b[:len(b)-1])
	require.ErrorIs(t, err, ErrShort)
	require.Len(t, got, len(allDesignators)-1)
}

func TestDesignatorStrings(t *testing.T) {
	want := []string{
		"t10.GOSCST  disk0", "naa.500140523456789a", "naa.600140523456789a0102030405060708", "naa.3123456789abcdef",
		"eui.0001020304050607", "eui.000102030405060708090a0b", "eui.000102030405060708090a0b0c0d0e0f", "naa.50014052345678",
		"relative port 258", "port group 772", "iqn.2026-11.com.example:a,t,0x0001", "iqn.2026-11.com.example:a", "unit group 7",
		"md5 000000000000000000000000000000ff", "vendor 010203", "uuid.12345678-0000-0000-0000-00000000009a", "protocol port 00010000",
	}
	for i, d := range allDesignators {
		require.Equal(t, want[i], d.String())
	}
	require.Equal(t, "designator type Fh 01", Designator{Type: 0xF, ID: []byte{1}}.String())
	require.Equal(t, "relative port 01", Designator{Type: DesignatorRelativePort, ID: []byte{1}}.String())
	require.Equal(t, "uuid 10", Designator{Type: DesignatorUUID, ID: []byte{0x10}}.String())
}

// TestDesignatorForms: the lengths that SPC-4 allows for each form, and no others.
func TestDesignatorForms(t *testing.T) {
	for n := range 20 {
		_, err := EUI64(make([]byte, n))
		require.Equal(t, n == 8 || n == 12 || n == 16, err == nil, "EUI-64 of %d bytes", n)
		for format := range byte(16) {
			id := make([]byte, n)
			if n > 0 {
				id[0] = format << 4
			}
			_, err := NAA(id)
			ok := n == 8 && (format == 2 || format == 3 || format == 5) || n == 16 && format == 6
			require.Equal(t, ok, err == nil, "NAA format %X of %d bytes", format, n)
		}
	}
	for n := range 300 {
		d := NameString(OfTarget, strings.Repeat("n", n))
		require.Zero(t, len(d.ID)%4, "SPC-4: a multiple of four")
		require.LessOrEqual(t, len(d.ID), 252)
		require.Zero(t, d.ID[len(d.ID)-1], "SPC-4: null-terminated")
		require.Equal(t, strings.Repeat("n", min(n, 251)), d.String())
	}
	require.EqualValues(t, 3, LocalNAA(1 << 63).ID[0]>>4)
}

func TestDesignatorNumber(t *testing.T) {
	for _, x := range []struct {
		d  Designator
		n  uint16
		ok bool
	}{
		{RelativePort(scsi.ProtocolISCSI, 0xFFFE), 0xFFFE, true},
		{InPortGroup(scsi.ProtocolISCSI, 3), 3, true},
		{InUnitGroup(4), 4, true},
		{naa5, 0, false},
		{Designator{Type: DesignatorPortGroup, ID: []byte{1, 2, 3}}, 0, false},
	} {
		n, ok := x.d.Number()
		require.Equal(t, x.ok, ok)
		require.Equal(t, x.n, n)
	}
}

func TestDesignatorLong(t *testing.T) {
	d := VendorID(make([]byte, 1000))
	b := AppendDesignator(nil, d)
	require.Len(t, b, 4+255)
	_, n, err := ParseDesignator(b)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
}
