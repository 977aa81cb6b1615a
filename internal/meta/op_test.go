package meta

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

func TestAnswersAreChecked(t *testing.T) {
	data := make([]byte, 4*512)
	data[3*512] = 1
	r := &region{lba: 10, block: 512, data: data}
	status := func(list ...sbc.LBAStatus) []byte { return sbc.AppendLBAStatus(nil, list) }
	hole := func(lba uint64, n uint32) sbc.LBAStatus {
		return sbc.LBAStatus{Extent: sbc.Extent{LBA: lba, Blocks: n}, State: sbc.Deallocated}
	}
	used := func(lba uint64, n uint32) sbc.LBAStatus {
		return sbc.LBAStatus{Extent: sbc.Extent{LBA: lba, Blocks: n}}
	}
	good := Answer{Status: scsi.StatusGood}
	for _, x := range []struct {
		name string
		op   Op
		a    Answer
		in   []byte
		want string
	}{
		{"nothing", Op{}, good, nil, ""},
		{"right", Op{want: []byte{1, 2}}, good, []byte{1, 2}, "2 bytes"},
		{"wrong byte", Op{want: []byte{1, 2}}, good, []byte{1, 3}, "WRONG: byte 1 is 03, not 02"},
		{"too short", Op{want: []byte{1, 2}}, good, []byte{1}, "WRONG: 1 bytes, not 2"},
		{"data with an error", Op{}, Answer{Status: scsi.StatusBusy}, []byte{1}, "WRONG: 1 bytes of data-in"},
		{"shown", Op{}, good, []byte{1, 0xFF}, "data 01ff"},
		{"mapped", Op{status: r}, good, status(used(10, 100)), "blocks in order"},
		{"hole", Op{status: r}, good, status(hole(10, 3), used(13, 1), hole(14, 9)), "blocks in order"},
		{"hole with data", Op{status: r}, good, status(used(10, 1), hole(11, 3)), "WRONG: block 13"},
		{"gap", Op{status: r}, good, status(used(10, 1), hole(12, 1)), "WRONG: 1 blocks at 12 follow, 11 was next"},
		{"early", Op{status: r}, good, status(used(9, 9)), "WRONG"},
	} {
		x.a.N = len(x.in)
		require.Contains(t, x.op.describe(x.a, x.in), x.want, x.name)
	}
}
