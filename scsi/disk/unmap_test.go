package disk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/scsitest"
)

func doUnmapOf(r *scsitest.Recorder, extents ...sbc.Extent) scsitest.Result {
	list := sbc.AppendUnmap(nil, extents)
	return r.Do(cdb(scsi.OpUnmap, 0, uint32(len(list))), list)
}

func TestUnmap(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, nil)
	before := pattern(1, blocks*512)
	reset := func() { fill(t, store, before, 0) }
	reset()
	many := make([]sbc.Extent, 256)
	for i := range many {
		many[i] = sbc.Extent{LBA: uint64(8 * i), Blocks: 8}
	}
	for _, tt := range []struct {
		name    string
		extents []sbc.Extent
		want    scsi.Sense
	}{
		{"none", nil, 0},
		{"empty extent", []sbc.Extent{{}}, 0},
		{"one", []sbc.Extent{{LBA: 8, Blocks: 16}}, 0},
		{"overlapping", []sbc.Extent{{LBA: 8, Blocks: 16}, {LBA: 16, Blocks: 16}}, 0},
		{"all", []sbc.Extent{{LBA: 0, Blocks: blocks}}, 0},
		{"many", many, 0},
		{"too many", append(many, sbc.Extent{}), scsi.InvalidFieldInParams},
		{"second is out of range", []sbc.Extent{{LBA: 8, Blocks: 16}, {LBA: blocks, Blocks: 1}}, scsi.LBAOutOfRange},
		{"sum overflows", []sbc.Extent{{LBA: 1<<64 - 1, Blocks: 2}}, scsi.LBAOutOfRange},
		{"too many blocks", []sbc.Extent{{LBA: 0, Blocks: 1<<20 + 1}}, scsi.InvalidFieldInParams},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reset()
			want := append([]byte(nil), before...)
			res := doUnmapOf(r, tt.extents...)
			if tt.want == 0 {
				requireGood(t, res)
				for _, e := range tt.extents {
					clear(want[e.LBA*512 : (e.LBA+uint64(e.Blocks))*512])
				}
			} else {
				requireSense(t, tt.want, res)
			}
			require.True(t, bytes.Equal(want, contents(t, store)))
		})
	}
	requireGood(t, r.Do(cdb(scsi.OpUnmap, 0, 0), nil))
	requireField(t, 1, 0, r.Do(cdb(scsi.OpUnmap, 0, 0, 1), nil))
	list := sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 8, Blocks: 16}})
	reset()
	for n := 1; n < len(list); n++ {
		requireSense(t, scsi.ParameterListLength, r.Do(cdb(scsi.OpUnmap, 0, uint32(n)), list[:n]))
		requireSense(t, scsi.ParameterListLength, r.Do(cdb(scsi.OpUnmap, 0, uint32(len(list))), list[:n]))
	}
	require.True(t, bytes.Equal(before, contents(t, store)))
}

// TestThin: UNMAP is offered and advertised only together.
func TestThin(t *testing.T) {
	for name, tt := range map[string]struct {
		store *mem.Options
		opts  *disk.Options
		thin  bool
	}{
		"thin":      {nil, nil, true},
		"thick":     {&mem.Options{Without: backstore.CapUnmap}, nil, false},
		"off":       {nil, &disk.Options{NoThin: true}, false},
		"read-only": {nil, &disk.Options{ReadOnly: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t, newMem(t, tt.store), tt.opts)
			c, err := sbc.ParseCapacity16(r.Do(actionCDB(scsi.ActionReadCapacity16, 0, 32), nil).Data)
			require.NoError(t, err)
			require.Equal(t, tt.thin, c.LBPME)
			require.Equal(t, tt.thin, c.LBPRZ)
			p, err := sbc.ParseProvisioning(vpd(t, r, sbc.VPDProvisioning))
			require.NoError(t, err)
			require.Equal(t, []bool{tt.thin, tt.thin, tt.thin}, []bool{p.LBPU, p.LBPWS, p.LBPWS10})
			l, err := sbc.ParseLimits(vpd(t, r, sbc.VPDLimits))
			require.NoError(t, err)
			require.Equal(t, tt.thin, l.MaxUnmapBlocks > 0)
			require.Equal(t, tt.thin, l.MaxUnmapExtents > 0)
			require.Equal(t, tt.thin, r.Do(cdb(scsi.OpUnmap, 0, 0), nil).Code() != scsi.InvalidOpcode)
		})
	}
}
