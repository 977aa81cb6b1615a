package unit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/spc"
	"github.com/goscst/goscst/scsi/unit"
)

// designators returns page 83h as text.
func designators(t *testing.T, r *scsitest.Recorder) []string {
	t.Helper()
	page, err := spc.ParseVPD(r.Do([]byte{0x12, 1, 0x83, 0xFF, 0xFF, 0}, nil).Data)
	require.NoError(t, err)
	list, err := spc.ParseDesignators(page.Body)
	require.NoError(t, err)
	var text []string
	for _, d := range list {
		text = append(text, d.String())
	}
	return text
}

func TestIdentity(t *testing.T) {
	naa := []byte{0x50, 1, 2, 3, 4, 5, 6, 7}
	for _, tt := range []struct {
		name string
		opts unit.Options
		want []string // of the logical unit
		sn   string
	}{
		{"derived", unit.Options{}, []string{"naa.3123456789abcdef", "t10.GOSCST  VIRTUAL DISK    0123456789abcdef"}, "0123456789abcdef"},
		{"named", unit.Options{Vendor: "ACME", Product: "BOX", Serial: "7", NAA: naa, Name: "naa.5001020304050607"},
			[]string{"naa.5001020304050607", "naa.5001020304050607", "t10.ACME    BOX             7"}, "7"},
		{"EUI-64", unit.Options{EUI64: naa}, []string{"eui.5001020304050607", "t10.GOSCST  VIRTUAL DISK    0123456789abcdef"}, "0123456789abcdef"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := unit.New(&tt.opts)
			r := newRecorder(t, u, nil)
			port := []string{"relative port 1", "iqn.2026-01.com.example:target,t,0x0001", "iqn.2026-01.com.example:target"}
			require.Empty(t, cmp.Diff(append(tt.want, port...), designators(t, r)))
			require.Equal(t, tt.want[0], u.Identifier())
			require.Equal(t, tt.sn, u.Serial())
			require.Equal(t, tt.sn, string(r.Do([]byte{0x12, 1, 0x80, 0, 255, 0}, nil).Data[4:]))
		})
	}
	group := scsitest.NewNexus("i")
	group.Port.Group, group.Port.TPGS, group.Port.Name, group.Port.TargetName = 5, 3, "", ""
	r := newRecorder(t, unit.New(nil), &scsitest.Options{Nexus: group})
	require.Equal(t, []string{"relative port 1", "port group 5"}, designators(t, r)[2:])
	q, err := spc.ParseStandardInquiry(r.Do([]byte{0x12, 0, 0, 0, 255, 0}, nil).Data)
	require.NoError(t, err)
	require.Equal(t, uint8(3), q.TPGS)
}

// TestBadOptions: what is wrong with a unit refuses it.
func TestBadOptions(t *testing.T) {
	for name, opts := range map[string]*unit.Options{
		"vendor":   {Vendor: "NINECHARS"},
		"product":  {Product: "seventeen letters"},
		"revision": {Revision: "00001"},
		"serial":   {Serial: strings.Repeat("1", 201)},
		"control":  {Serial: "a\nb"},
		"umlaut":   {Product: "grün"},
		"naa":      {NAA: []byte{1, 2, 3}},
		"eui":      {EUI64: make([]byte, 9)},
		"name":     {Name: strings.Repeat("n", 252)},
	} {
		_, err := unit.New(opts).Describe()
		require.Error(t, err, name)
	}
	for name, page := range map[string]unit.ModePage{
		"empty":      {},
		"short":      {Default: []byte{8, 4, 0}},
		"PS":         {Default: []byte{0x88, 1, 0}},
		"no content": {Default: []byte{8, 0}},
		"mask":       {Default: []byte{8, 1, 0}, Changeable: []byte{8, 1}},
		"other mask": {Default: []byte{8, 1, 0}, Changeable: []byte{9, 1, 0}},
		"page 3Fh":   {Default: []byte{0x3F, 1, 0}},
	} {
		u := unit.New(nil)
		u.AddModePage(page)
		_, err := u.Describe()
		require.Error(t, err, name)
	}
}

// TestAddVPD: further pages stand in order, and may replace others.
func TestAddVPD(t *testing.T) {
	u := unit.New(nil)
	body := func(b ...byte) func([]byte, *scsi.Command) []byte {
		return func(dst []byte, _ *scsi.Command) []byte { return append(dst, b...) }
	}
	u.AddVPD(0xC0, body(1, 2))
	u.AddVPD(0x82, body(3))
	u.AddVPD(0x80, body('x'))
	r := newRecorder(t, u, nil)
	require.Equal(t, []byte{0, 0, 0, 6, 0x00, 0x80, 0x82, 0x83, 0x86, 0xC0}, r.Do([]byte{0x12, 1, 0, 0, 255, 0}, nil).Data)
	require.Equal(t, []byte{0, 0xC0, 0, 2, 1, 2}, r.Do([]byte{0x12, 1, 0xC0, 0, 255, 0}, nil).Data)
	require.Equal(t, []byte{0, 0x80, 0, 1, 'x'}, r.Do([]byte{0x12, 1, 0x80, 0, 255, 0}, nil).Data)
}
