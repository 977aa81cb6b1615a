package spc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestStandardInquiryRoundTrip(t *testing.T) {
	b := AppendStandardInquiry([]byte{0xEE}, &diskInquiry)
	require.EqualValues(t, 0xEE, b[0])
	require.Len(t, b, 1+96)
	got, err := ParseStandardInquiry(b[1:])
	require.NoError(t, err)
	want := diskInquiry
	want.Version = VersionSPC4
	want.VendorSpecific = append(want.VendorSpecific, 0, 0, 0, 0)
	require.Empty(t, cmp.Diff(want, got))
}

// TestStandardInquiryBits sets each yes-or-no field alone and finds it again, so that no
// two share a bit.
func TestStandardInquiryBits(t *testing.T) {
	for name, set := range map[string]func(q *StandardInquiry){
		"RMB": func(q *StandardInquiry) { q.Removable = true }, "LU_CONG": func(q *StandardInquiry) { q.LUCong = true },
		"NORMACA": func(q *StandardInquiry) { q.NormACA = true }, "HISUP": func(q *StandardInquiry) { q.HiSup = true },
		"SCCS": func(q *StandardInquiry) { q.SCCS = true }, "TPGS 1": func(q *StandardInquiry) { q.TPGS = 1 },
		"TPGS 2": func(q *StandardInquiry) { q.TPGS = 2 }, "3PC": func(q *StandardInquiry) { q.ThirdPartyCopy = true },
		"PROTECT": func(q *StandardInquiry) { q.Protect = true }, "ENCSERV": func(q *StandardInquiry) { q.EncServ = true },
		"VS": func(q *StandardInquiry) { q.VS = true }, "MULTIP": func(q *StandardInquiry) { q.MultiP = true },
		"CMDQUE": func(q *StandardInquiry) { q.CmdQue = true }, "VS of byte 7": func(q *StandardInquiry) { q.VS2 = true },
	} {
		t.Run(name, func(t *testing.T) {
			want := StandardInquiry{Version: VersionSPC5, VendorSpecific: make([]byte, 20)}
			set(&want)
			got, err := ParseStandardInquiry(AppendStandardInquiry(nil, &want))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

// TestStandardInquiryShort: what the allocation length or an older device leaves out is zero.
func TestStandardInquiryShort(t *testing.T) {
	full := AppendStandardInquiry(nil, &diskInquiry)
	for n := range full {
		got, err := ParseStandardInquiry(full[:n])
		if n < 5 {
			require.ErrorIs(t, err, ErrShort)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, n > 7, got.CmdQue)
		require.Equal(t, n >= 60, len(got.Descriptors) > 0 && got.Descriptors[0] == ClaimSAM5, "%d bytes", n)
	}
	old := append([]byte(nil), full...)
	old[4] = 31 // 36 bytes
	got, err := ParseStandardInquiry(old)
	require.NoError(t, err)
	require.Equal(t, "memory", got.Product)
	require.Empty(t, got.VendorSpecific)
	require.Empty(t, got.Descriptors)
}

func TestStandardInquiryLimits(t *testing.T) {
	q := StandardInquiry{
		Vendor: strings.Repeat("v", 100), Product: strings.Repeat("p", 100), Revision: "revision",
		VendorSpecific: make([]byte, 100), Descriptors: make([]uint16, 100), Extra: make([]byte, 1000),
	}
	b := AppendStandardInquiry(nil, &q)
	require.Len(t, b, 260)
	require.EqualValues(t, 255, b[4])
	got, err := ParseStandardInquiry(b)
	require.NoError(t, err)
	require.Equal(t, "vvvvvvvv", got.Vendor)
	require.Equal(t, "revi", got.Revision)
	require.Len(t, got.Extra, 164)
}

func FuzzParseStandardInquiry(f *testing.F) {
	for _, name := range []string{"inquiry", "inquiry-none", "inquiry-all"} {
		f.Add(fixtures[name]())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseStandardInquiry(b)
		if err != nil {
			return
		}
		again, err := ParseStandardInquiry(AppendStandardInquiry(nil, &q))
		if err != nil {
			t.Fatal(err)
		}
		// Texts and lists are made canonical by the first turn.
		if again.Type != q.Type || again.TPGS != q.TPGS || again.CmdQue != q.CmdQue || len(again.Descriptors) != len(q.Descriptors) {
			t.Fatal(cmp.Diff(q, again))
		}
	})
}

func TestPeripheral(t *testing.T) {
	require.EqualValues(t, 0x00, Peripheral(Connected, scsi.TypeDisk))
	require.EqualValues(t, 0x7F, Peripheral(NotCapable, scsi.TypeNone))
	require.EqualValues(t, 0x25, Peripheral(NotConnected, scsi.TypeCDROM))
}
