package sbc

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestUnmapRoundTrip(t *testing.T) {
	b := AppendUnmap([]byte{0xEE}, someExtents)
	l, err := ParseUnmap(b[1:])
	require.NoError(t, err)
	require.Equal(t, len(someExtents), l.Len())
	require.Equal(t, someExtents, slices.Collect(l.All()))
	require.Equal(t, someExtents[2], l.At(2))
	for range l.All() {
		break
	}
	l, err = ParseUnmap(AppendUnmap(nil, nil))
	require.NoError(t, err)
	require.Zero(t, l.Len())

	l, err = ParseUnmap(AppendUnmap(nil, make([]Extent, 5000)))
	require.NoError(t, err)
	require.Equal(t, 4095, l.Len(), "UNMAP DATA LENGTH has 16 bits")
}

// TestParseUnmap is about lengths that do not fit each other.
func TestParseUnmap(t *testing.T) {
	head := func(total, descriptors uint16, n int) []byte {
		b := []byte{byte(total >> 8), byte(total), byte(descriptors >> 8), byte(descriptors), 0, 0, 0, 0}
		for i := range n {
			b = append(b, byte(i+1))
		}
		return b
	}
	for _, x := range []struct {
		name string
		list []byte
		want int // descriptors; negative for an error
		err  scsi.Sense
	}{
		{"no list", nil, 0, 0},
		{"header only", head(6, 0, 0), 0, 0},
		{"zeros", make([]byte, 24), 0, 0},
		{"half a header", head(6, 0, 0)[:7], -1, scsi.ParameterListLength},
		{"one byte", []byte{0}, -1, scsi.ParameterListLength},
		{"one descriptor", head(22, 16, 16), 1, 0},
		{"two, and more in the list", head(38, 32, 100), 2, 0},
		{"promises more than the list has", head(38, 32, 31), -1, scsi.ParameterListLength},
		{"promises one, has none", head(22, 16, 0), -1, scsi.ParameterListLength},
		{"data length beyond the list", head(0xFFFF, 16, 16), 1, 0},
		{"data length of zero", head(0, 16, 16), -1, scsi.InvalidFieldInParams},
		{"data length within the descriptor", head(21, 16, 16), -1, scsi.InvalidFieldInParams},
		{"not a multiple of 16", head(37, 31, 31), 1, 0},
		{"less than a descriptor", head(21, 15, 15), 0, 0},
		{"incomplete one not sent", head(37, 31, 16), 1, 0},
		{"largest lengths", head(0xFFFF, 0xFFF0, 0xFFF0), 4095, 0},
		{"descriptors beyond the data length", head(0xFFFF, 0xFFFF, 0x10000), -1, scsi.InvalidFieldInParams},
	} {
		t.Run(x.name, func(t *testing.T) {
			l, err := ParseUnmap(x.list)
			if x.want < 0 {
				require.ErrorIs(t, err, x.err)
				require.Zero(t, l.Len())
				return
			}
			require.NoError(t, err)
			require.Equal(t, x.want, l.Len())
		})
	}
}

func TestUnmapBlocks(t *testing.T) {
	extents := make([]Extent, 4095)
	for i := range extents {
		extents[i].Blocks = 1<<32 - 1
	}
	l, err := ParseUnmap(AppendUnmap(nil, extents))
	require.NoError(t, err)
	require.Equal(t, uint64(4095*(1<<32-1)), l.Blocks(), "more than 32 bits")
}

func TestUnmapCheck(t *testing.T) {
	const capacity = 1000
	for _, x := range []struct {
		name    string
		extents []Extent
		want    error
	}{
		{"nothing", nil, nil},
		{"no blocks", []Extent{{0, 0}}, nil},
		{"no blocks at the end", []Extent{{capacity, 0}}, nil},
		{"no blocks beyond the end", []Extent{{capacity + 1, 0}}, scsi.LBAOutOfRange},
		{"last block", []Extent{{capacity - 1, 1}}, nil},
		{"one too many", []Extent{{capacity - 1, 2}}, scsi.LBAOutOfRange},
		{"as many as allowed", []Extent{{0, 60}, {60, 40}}, nil},
		{"one block more", []Extent{{0, 60}, {60, 41}}, scsi.InvalidFieldInParams},
		{"sum of 2^32", []Extent{{0, 1 << 31}, {0, 1 << 31}}, scsi.InvalidFieldInParams},
		{"overflow of the end", []Extent{{1<<64 - 1, 100}}, scsi.LBAOutOfRange},
		{"second is out of range", []Extent{{0, 1}, {capacity, 1}}, scsi.LBAOutOfRange},
		{"too many descriptors", []Extent{{0, 1}, {1, 1}, {2, 1}, {3, 1}}, scsi.InvalidFieldInParams},
	} {
		t.Run(x.name, func(t *testing.T) {
			l, err := ParseUnmap(AppendUnmap(nil, x.extents))
			require.NoError(t, err)
			err = l.Check(&Limits{MaxUnmapBlocks: 100, MaxUnmapExtents: 3}, capacity)
			if x.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, x.want)
			}
		})
	}
	l, err := ParseUnmap(AppendUnmap(nil, []Extent{{0, 1<<32 - 1}, {0, 1<<32 - 1}}))
	require.NoError(t, err)
	require.NoError(t, l.Check(&Limits{MaxUnmapBlocks: 1<<32 - 1, MaxUnmapExtents: 1<<32 - 1}, 1<<40), "FFFFFFFFh is no limit")
}

func TestUnmapIsFree(t *testing.T) {
	b := AppendUnmap(nil, []Extent{{1, 2}, {3, 4}})
	lim := Limits{MaxUnmapBlocks: 100, MaxUnmapExtents: 3}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		l, err := ParseUnmap(b)
		if err != nil || l.Check(&lim, 1000) != nil {
			panic("refused")
		}
		for e := range l.All() {
			_ = e
		}
	}))
}

func FuzzParseUnmap(f *testing.F) {
	f.Add(fixtures["unmap"]())
	f.Add([]byte{0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseUnmap(b)
		if err != nil {
			if l.Len() != 0 {
				t.Fatal("descriptors of a list that was refused")
			}
			return
		}
		if 16*l.Len() > len(b) {
			t.Fatalf("%d descriptors in %d bytes", l.Len(), len(b))
		}
		extents := slices.Collect(l.All())
		again, err := ParseUnmap(AppendUnmap(nil, extents))
		if err != nil || !slices.Equal(extents, slices.Collect(again.All())) {
			t.Fatal(err)
		}
		const capacity = 1 << 33
		if l.Check(&Limits{MaxUnmapBlocks: 1<<32 - 1, MaxUnmapExtents: 1<<32 - 1}, capacity) == nil {
			for _, e := range extents {
				if end := e.LBA + uint64(e.Blocks); end < e.LBA || end > capacity {
					t.Fatalf("%v passed", e)
				}
			}
		}
	})
}
