package local

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi/sbc"
)

func TestUnmapIsCutBetweenGranules(t *testing.T) {
	for _, x := range []struct {
		limits sbc.Limits
		lba, n uint64
		want   []uint64 // blocks of each command
	}{
		{sbc.Limits{MaxUnmapBlocks: math.MaxUint32, MaxUnmapExtents: 1}, 3, 1000, []uint64{1000}},
		{sbc.Limits{MaxUnmapBlocks: 10, MaxUnmapExtents: 9}, 3, 25, []uint64{10, 10, 5}},
		{sbc.Limits{MaxUnmapBlocks: 10, MaxUnmapExtents: 1, UnmapGranularity: 8}, 3, 25, []uint64{5, 8, 8, 4}},
		{sbc.Limits{MaxUnmapBlocks: 10, MaxUnmapExtents: 1, UnmapGranularity: 8, UnmapAligned: true, UnmapAlignment: 3}, 3, 25, []uint64{8, 8, 9}},
		{sbc.Limits{MaxUnmapBlocks: 4, MaxUnmapExtents: 1, UnmapGranularity: 8}, 1, 10, []uint64{4, 3, 3}},
	} {
		u := unmapLimitsOf(&x.limits)
		var got []uint64
		for lba, end := x.lba, x.lba+x.n; lba < end; {
			step := u.cut(lba, end-lba)
			require.Positive(t, step)
			require.LessOrEqual(t, step, u.blocks)
			got = append(got, step)
			lba += step
		}
		require.Equal(t, x.want, got, x.limits)
	}
	none := unmapLimitsOf(&sbc.Limits{MaxUnmapBlocks: 10})
	require.Zero(t, none.blocks)
}
