package unit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
	"github.com/goscst/goscst/scsi/unit"
)

// FuzzModeSelect sends parameter lists: whatever they hold, only bits that can be changed
// are, and none of them if the command fails.
func FuzzModeSelect(f *testing.F) {
	f.Add(byte(0x10), false, []byte{0, 0, 0, 0, 2, 2, 1, 6, 0x4A, 1, 0, 3, 8, 7, 7})
	f.Add(byte(0x11), true, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x0A, 10, 0x14, 0x16, 8, 0x40, 0, 0, 0, 0, 0, 0})
	f.Add(byte(0x10), true, []byte{0, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 2, 0, 0x82, 2, 1, 9})
	f.Fuzz(func(t *testing.T, flags byte, ten bool, list []byte) {
		var applied [][]byte
		var fail error
		u := newPaged(&unit.Options{Params: func() unit.Params {
			return unit.Params{Descriptor: true, Blocks: 9, BlockSize: 512}
		}}, &applied, &fail)
		r := newRecorder(t, u, nil)
		before := sense(t, r, spc.CurrentValues, 0x3F, 0xFF)
		masks := sense(t, r, spc.ChangeableValues, 0x3F, 0xFF)
		var c []byte
		if ten {
			list = list[:min(len(list), 0xFFFF)]
			c = []byte{0x55, flags, 0, 0, 0, 0, 0, byte(len(list) >> 8), byte(len(list)), 0}
		} else {
			list = list[:min(len(list), 0xFF)]
			c = []byte{0x15, flags, 0, 0, byte(len(list)), 0}
		}
		res := r.Do(c, list)
		after := sense(t, r, spc.CurrentValues, 0x3F, 0xFF)
		require.Len(t, after, len(before))
		if res.Status != scsi.StatusGood {
			require.Equal(t, scsi.KeyIllegalRequest, res.Sense.Key())
			require.Equal(t, before, after)
			require.Empty(t, applied)
			return
		}
		require.Empty(t, res.Data)
		for i := range before {
			if masks[i]&0x3F == before[i]&0x3F && (before[i]^after[i]) != 0 {
				require.Equal(t, before[i]&^masks[i], after[i]&^masks[i])
			}
			if masks[i] == 0 {
				require.Equal(t, before[i], after[i], "byte %d", i)
			}
		}
	})
}
