package disk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

// Flags of WRITE SAME.
const (
	ndob, obsolete, doUnmap, anchor = 1, 2, 8, 16
)

// TestWriteSame: whatever of it is native or emulated, the blocks read as they should, and
// are freed only where that is allowed.
func TestWriteSame(t *testing.T) {
	all := backstore.CapZero | backstore.CapUnmap | backstore.CapWriteSame
	for name, hide := range map[string]backstore.Cap{
		"native": 0, "no zero": backstore.CapZero, "no write same": backstore.CapWriteSame,
		"unmap only": all &^ backstore.CapUnmap, "thick": backstore.CapUnmap, "emulated": all,
	} {
		for _, opts := range []*disk.Options{nil, {BlockSize: 4096}} {
			t.Run(name, func(t *testing.T) {
				store := newMem(t, &mem.Options{Without: hide})
				r := newRecorder(t, store, opts)
				bs := r.Description.BlockSize
				const area = 256 << 10
				n := 152 << 10 / bs // more than one chunk
				thin := hide&backstore.CapUnmap == 0
				for _, op := range []scsi.Opcode{scsi.OpWriteSame10, scsi.OpWriteSame16} {
					for _, flags := range []byte{0, doUnmap, ndob, doUnmap | ndob} {
						for _, block := range [][]byte{pattern(3, bs), make([]byte, bs)} {
							before := pattern(9, area)
							fill(t, store, before, 0)
							if flags&ndob != 0 {
								if op == scsi.OpWriteSame10 {
									requireField(t, 1, 0, r.Do(cdb(op, 8, 16, flags), nil))
									continue
								}
								block = nil
							}
							res := r.Do(cdb(op, 8, uint32(n), flags), block)
							if flags&doUnmap != 0 && !thin {
								requireField(t, 1, 3, res)
								require.True(t, bytes.Equal(before, head(t, store, area)))
								continue
							}
							requireGood(t, res)
							want := append([]byte(nil), before...)
							for i := 8; i < 8+n; i++ {
								clear(want[i*bs : (i+1)*bs])
								copy(want[i*bs:], block)
							}
							require.True(t, bytes.Equal(want, head(t, store, area)), "flags %02x", flags)
							zero := block == nil || block[1] == 0
							require.Equal(t, zero && flags&doUnmap != 0, isFree(t, store, 8*bs, n*bs), "flags %02x, zero %v", flags, zero)
						}
					}
				}
			})
		}
	}
}

// isFree reports whether a range is deallocated, as far as the store shows it.
func isFree(t *testing.T, s *mem.Store, off, n int) bool {
	t.Helper()
	e, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 4), int64(off), int64(n))
	require.NoError(t, err)
	return len(e) == 1 && e[0].State == backstore.Deallocated
}

func TestWriteSameLimits(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, &disk.Options{MaxWriteSame: 100 * 512})
	block := pattern(1, 512)
	for _, op := range []scsi.Opcode{scsi.OpWriteSame10, scsi.OpWriteSame16} {
		requireGood(t, r.Do(cdb(op, 0, 100), block))
		requireSense(t, scsi.InvalidFieldInCDB, r.Do(cdb(op, 0, 101), block))
		requireGood(t, r.Do(cdb(op, blocks-100, 0), block)) // to the end
		require.Equal(t, block, contents(t, store)[(blocks-1)*512:])
		requireGood(t, r.Do(cdb(op, blocks, 0), block))
		requireSense(t, scsi.InvalidFieldInCDB, r.Do(cdb(op, blocks-101, 0), block))
		requireField(t, 1, 4, r.Do(cdb(op, 0, 1, anchor), block))
		requireField(t, 1, 4, r.Do(cdb(op, 0, 1, anchor|doUnmap), block))
		requireField(t, 1, 2, r.Do(cdb(op, 0, 1, obsolete), block))
		for _, n := range []int{0, 256, 1024} {
			requireSense(t, scsi.InvalidCommandIUField, r.Do(cdb(op, 0, 1), make([]byte, n)))
		}
	}
	unlimited := newRecorder(t, newMem(t, nil), &disk.Options{MaxWriteSame: -1})
	requireGood(t, unlimited.Do(cdb(scsi.OpWriteSame16, 0, 0), block))
}

// TestWriteSameAbort: a long WRITE SAME ends soon after it is aborted, and nothing is
// written after it has ended.
func TestWriteSameAbort(t *testing.T) {
	store := newHooked(newMem(t, nil), backstore.CapWriteSame)
	r := newRecorder(t, store, nil)
	task := r.Prepare(cdb(scsi.OpWriteSame10, 0, blocks), pattern(1, 512))
	n := 0
	store.set(func(string) error {
		if n++; n == 3 {
			task.Abort()
		}
		return nil
	})
	task.Run()
	requireSense(t, scsi.CommandAborted, task.Result())
	task.Release()
	require.Equal(t, 3, n)
}
