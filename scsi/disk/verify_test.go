package disk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
)

func TestVerify(t *testing.T) {
	long := blocks / 2 // several chunks
	for _, op := range []scsi.Opcode{scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16} {
		store := newMem(t, nil)
		r := newRecorder(t, store, nil)
		data := pattern(5, long*512)
		fill(t, store, data, 3*512)
		same := pattern(7, 512)
		for i := range 600 {
			fill(t, store, same, int64(3000+i)*512)
		}
		differs := func(at int) []byte {
			b := append([]byte(nil), data...)
			b[at] ^= 0x40
			return b
		}
		for _, tt := range []struct {
			name   string
			lba, n uint32
			check  byte
			out    []byte
			bad    int64 // INFORMATION of MISCOMPARE; -1: GOOD
		}{
			{"medium only", 0, blocks, 0, nil, -1},
			{"nothing", 9, 0, 2, nil, -1},
			{"equal", 3, uint32(long), 2, data, -1},
			{"first byte", 3, uint32(long), 2, differs(0), 3},
			{"a byte of a later chunk", 3, uint32(long), 2, differs(700_001), 3 + 700_001/512},
			{"last byte", 3, uint32(long), 2, differs(len(data) - 1), 3 + int64(long) - 1},
			{"one block, equal", 3000, 600, 6, same, -1},
			{"one block, first differs", 2999, 600, 6, same, 2999},
			{"one block, last differs", 3000, 601, 6, same, 3600},
		} {
			t.Run(tt.name, func(t *testing.T) {
				res := r.Do(cdb(op, uint64(tt.lba), tt.n, tt.check), tt.out)
				if tt.bad < 0 {
					requireGood(t, res)
					require.Empty(t, res.Data)
					return
				}
				requireSense(t, scsi.MiscompareVerify, res)
				require.True(t, res.Sense.Valid)
				require.Equal(t, uint64(tt.bad), res.Sense.Info)
			})
		}
		requireField(t, 1, 2, r.Do(cdb(op, 0, 1, 4), nil))                                     // BYTCHK 10b
		requireSense(t, scsi.InvalidCommandIUField, r.Do(cdb(op, 0, 2, 2), make([]byte, 512))) // less data than blocks
		requireSense(t, scsi.InvalidCommandIUField, r.Do(cdb(op, 0, 2, 6), nil))
	}
}

func TestWriteVerify(t *testing.T) {
	for _, op := range []scsi.Opcode{scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16} {
		store := newHooked(newMem(t, &mem.Options{Volatile: true}), backstore.CapVerify)
		r := newRecorder(t, store, nil)
		for _, check := range []byte{0, 2} {
			var calls []string
			store.set(func(call string) error { calls = append(calls, call); return nil })
			data := pattern(byte(op)+check, 2*512)
			requireGood(t, r.Do(cdb(op, 40, 2, check), data))
			require.Equal(t, []string{"WritevFUA", "Readv"}, calls, "it goes to the medium, and comes from there")
			require.Equal(t, data, contents(t, store.Inner)[40*512:42*512])
		}
		for _, check := range []byte{4, 6} {
			requireField(t, 1, 2, r.Do(cdb(op, 0, 1, check), make([]byte, 512)))
		}
		// A medium that returns something else is found out.
		store.set(func(call string) error {
			if call == "Readv" {
				fill(t, store.Inner, make([]byte, 512), 41*512)
			}
			return nil
		})
		res := r.Do(cdb(op, 40, 2, 2), pattern(1, 1024))
		requireSense(t, scsi.MiscompareVerify, res)
		require.Equal(t, uint64(41), res.Sense.Info)
	}
}

// TestVerifyNative: a store that can verify by itself is asked to, once for each chunk.
func TestVerifyNative(t *testing.T) {
	store := newHooked(newMem(t, nil), 0)
	r := newRecorder(t, store, nil)
	var calls []string
	store.set(func(call string) error { calls = append(calls, call); return nil })
	requireGood(t, r.Do(cdb(scsi.OpVerify10, 0, blocks), nil))
	require.Equal(t, []string{"Verify"}, calls)
}
