package spc

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestVPDRoundTrip(t *testing.T) {
	b := AppendVPD([]byte{0xEE}, Peripheral(NotConnected, scsi.TypeTape), 0xC0, []byte("body"))
	v, err := ParseVPD(append(b[1:], "more"...))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(VPD{NotConnected, scsi.TypeTape, 0xC0, []byte("body")}, v))
	for n := range len(b) - 1 {
		_, err := ParseVPD(b[1 : 1+n])
		require.ErrorIs(t, err, ErrShort)
	}
	long := AppendVPD(nil, 0, 0xC0, make([]byte, 0x10005))
	require.Len(t, long, 4+0xFFFF)
	v, err = ParseVPD(long)
	require.NoError(t, err)
	require.Len(t, v.Body, 0xFFFF)
}

func TestSupportedPages(t *testing.T) {
	pages := []uint8{0xB2, 0x83, 0x00, 0x80, 0x83}
	got := AppendSupportedPages([]byte{9}, pages)
	require.Equal(t, []byte{9, 0x00, 0x80, 0x83, 0xB2}, got)
	require.Equal(t, []uint8{0xB2, 0x83, 0x00, 0x80, 0x83}, pages)
	require.Equal(t, []byte{0}, AppendSupportedPages(nil, nil))
}

func TestExtendedInquiryRoundTrip(t *testing.T) {
	for _, e := range []ExtendedInquiry{{}, diskExtended, {
		ActivateMicrocode: 3, SPT: 7, GRDChk: true, APPChk: true, REFChk: true, UASKSup: true, GroupSup: true, PriorSup: true,
		HeadSup: true, OrdSup: true, SimpSup: true, WUSup: true, CRDSup: true, NVSup: true, VSup: true, NoPIChk: true, PIISup: true,
		LUICLR: true, LUCollType: 7, RSup: true, RTDSup: true, HSSRelEF: true, CBCS: true, MultiNexusMicrocode: 15,
		SelfTestMinutes: 0xFFFF, POASup: true, HRASup: true, VSASup: true, DMSValid: true, MaxSense: 255, IBS: true, IAS: true,
		SAC: true, NRD1: true, NRD0: true, MaxInquiryLogs: 0xFFFF, MaxModePageLogs: 0xFFFF,
	}} {
		b := AppendExtendedInquiry(nil, &e)
		require.Len(t, b, 0x3C, "SPC-4: the page length is 3Ch")
		got, err := ParseExtendedInquiry(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(e, got))
		_, err = ParseExtendedInquiry(b[:0x3B])
		require.ErrorIs(t, err, ErrShort)
	}
}

func TestModePoliciesRoundTrip(t *testing.T) {
	b := AppendModePolicies(nil, somePolicies)
	got, err := ParseModePolicies(b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(somePolicies, got))
	_, err = ParseModePolicies(b[:len(b)-1])
	require.ErrorIs(t, err, ErrLength)
	got, err = ParseModePolicies(nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestPortsRoundTrip(t *testing.T) {
	b := AppendPorts(nil, somePorts)
	got, err := ParsePorts(b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(somePorts, got))
	whole := len(AppendPorts(nil, somePorts[:1]))
	for n := range b {
		got, err := ParsePorts(b[:n])
		switch n {
		case 0, whole:
			require.NoError(t, err)
		default:
			require.ErrorIs(t, err, ErrShort, "%d bytes", n)
		}
		require.LessOrEqual(t, len(got), 1)
	}
}

func FuzzParseVPD(f *testing.F) {
	for _, name := range []string{"vpd-00", "vpd-80", "vpd-83", "vpd-86", "vpd-87", "vpd-88"} {
		f.Add(fixtures[name]())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseVPD(b)
		if err != nil {
			return
		}
		page := AppendVPD(nil, Peripheral(v.Qualifier, v.Type), v.Page, v.Body)
		if !bytes.Equal(page, b[:len(page)]) {
			t.Fatalf("% x becomes % x", b, page)
		}
		if list, err := ParseDesignators(v.Body); err == nil {
			again, err := ParseDesignators(AppendDesignators(nil, list))
			if d := cmp.Diff(list, again); err != nil || d != "" {
				t.Fatal(err, d)
			}
			for _, d := range list {
				_ = d.String()
				d.Number()
			}
		}
		if list, err := ParsePorts(v.Body); err == nil {
			again, err := ParsePorts(AppendPorts(nil, list))
			if d := cmp.Diff(list, again); err != nil || d != "" {
				t.Fatal(err, d)
			}
		}
		if list, err := ParseModePolicies(v.Body); err == nil {
			again, err := ParseModePolicies(AppendModePolicies(nil, list))
			if d := cmp.Diff(list, again); err != nil || d != "" {
				t.Fatal(err, d)
			}
		}
		if e, err := ParseExtendedInquiry(v.Body); err == nil {
			again, err := ParseExtendedInquiry(AppendExtendedInquiry(nil, &e))
			if err != nil || again != e {
				t.Fatal(err, cmp.Diff(e, again))
			}
		}
	})
}
