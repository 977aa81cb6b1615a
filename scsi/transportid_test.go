package scsi

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var transportIDs = []struct {
	name string
	id   TransportID
	want string
}{
	{"FCP", TransportID{Protocol: ProtocolFCP, Port: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		"00 00000000000000 0102030405060708 0000000000000000"},
	{"SRP", TransportID{Protocol: ProtocolSRP, Port: []byte("0123456789abcdef")},
		"04 00000000000000 30313233343536373839616263646566"},
	{"SAS", TransportID{Protocol: ProtocolSAS, Port: []byte{0x50, 1, 2, 3, 4, 5, 6, 7}},
		"06 000000 5001020304050607 000000000000000000000000"},
	{"iSCSI node", TransportID{Protocol: ProtocolISCSI, Name: "iqn.1993-08.org.debian:01"},
		"05 00 001c 69716e2e313939332d30382e6f72672e64656269616e3a3031 00 0000"},
	{"iSCSI node, short", TransportID{Protocol: ProtocolISCSI, Name: "eui.02004567a425678d"},
		"05 00 0018 6575692e30323030343536376134323536373864 00 000000"},
	{"iSCSI node, shortest", TransportID{Protocol: ProtocolISCSI, Name: "a"},
		"05 00 0014 61 00000000000000000000000000000000000000"},
	{"iSCSI port", TransportID{Protocol: ProtocolISCSI, Name: "iqn.a", ISID: []byte{0x80, 0x12, 0x34, 0x56, 0x78, 0x9A}},
		"45 00 0018 69716e2e61 2c692c3078 383031323334353637383961 00 00"},
}

func TestTransportID(t *testing.T) {
	for _, x := range transportIDs {
		t.Run(x.name, func(t *testing.T) {
			b := AppendTransportID([]byte{0xEE}, x.id)
			require.Equal(t, unhex(t, "ee"+x.want), b)
			require.GreaterOrEqual(t, len(b)-1, 24)
			require.Zero(t, (len(b)-1)%4)
			got, n, err := ParseTransportID(append(b[1:], 0xFF, 0xFF))
			require.NoError(t, err)
			require.Equal(t, len(b)-1, n)
			require.Empty(t, cmp.Diff(x.id, got))
		})
	}
}

func TestParseTransportIDRefuses(t *testing.T) {
	pad := strings.Repeat("00", 24)
	for name, data := range map[string]string{
		"empty":                     "",
		"short":                     "00" + pad[:44],
		"format 1 of FCP":           "40" + pad[:46],
		"unknown protocol":          "0f" + pad[:46],
		"iSCSI, too short":          "05 00 0010" + "61" + pad[:38],
		"iSCSI, beyond the end":     "05 00 0018" + "61" + pad[:38],
		"iSCSI, not padded":         "05 00 0015" + "61" + pad[:40],
		"iSCSI, no name":            "05 00 0014" + pad[:40],
		"iSCSI, no terminator":      "05 00 0014" + strings.Repeat("61", 20),
		"iSCSI, dirt after it":      "05 00 0014" + "61 00" + pad[:34] + "62",
		"iSCSI, format 2":           "85 00 0014" + "61" + pad[:38],
		"iSCSI port without ISID":   "45 00 0014" + "61" + pad[:38],
		"iSCSI port without a name": "45 00 0014" + "2c692c3078 303132333435363738396162" + "000000",
		"iSCSI port, short ISID":    "45 00 0014" + "61 2c692c3078 3031323334353637383961" + "000000",
		"iSCSI port, no hex":        "45 00 0018" + "61 2c692c3078 303132333435363738396167" + "000000000000",
		"iSCSI port, blanks":        "45 00 0018" + "61 2c692c3078 303132333435363738392020" + "000000000000",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ParseTransportID(unhex(t, data))
			require.Error(t, err)
		})
	}
}

func TestTransportIDEqual(t *testing.T) {
	a := TransportID{Protocol: ProtocolISCSI, Name: "iqn.2026-11.com.Example:a", ISID: []byte{0x80, 0, 0, 0, 0, 1}}
	b := a
	require.True(t, a.Equal(b))
	b.Name = strings.ToUpper(a.Name)
	require.True(t, a.Equal(b))
	b.ISID = []byte{0x80, 0, 0, 0, 0, 2}
	require.False(t, a.Equal(b))
	b.ISID = nil
	require.False(t, a.Equal(b), "a port is not its node")
	for i, x := range transportIDs {
		for j, y := range transportIDs {
			require.Equal(t, i == j, x.id.Equal(y.id), "%s, %s", x.name, y.name)
		}
	}
}

func FuzzParseTransportID(f *testing.F) {
	for _, x := range transportIDs {
		f.Add(AppendTransportID(nil, x.id))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		id, n, err := ParseTransportID(b)
		if err != nil {
			return
		}
		if n < 24 || n > len(b) || n%4 != 0 {
			t.Fatalf("takes %d of %d bytes", n, len(b))
		}
		if id.ISID != nil && len(id.ISID) != 6 {
			t.Fatalf("ISID of %d bytes", len(id.ISID))
		}
		again, _, err := ParseTransportID(AppendTransportID(nil, id))
		if err != nil {
			t.Fatal(err)
		}
		if !id.Equal(again) || id.Name != again.Name || !bytes.Equal(id.Port, again.Port) {
			t.Fatalf("%v becomes %v", id, again)
		}
	})
}
