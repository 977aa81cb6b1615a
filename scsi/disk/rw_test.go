package disk_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

var (
	reads  = []scsi.Opcode{scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16}
	writes = []scsi.Opcode{scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16}
)

// variants are the ways that READ and WRITE may go: inline, on a worker, in several
// calls, through a Submitter, and a disk whose blocks are larger than the store's.
func variants(t testing.TB) map[string]func() (*scsitest.Recorder, backstore.Backstore) {
	on := func(store backstore.Backstore, opts *disk.Options) func() (*scsitest.Recorder, backstore.Backstore) {
		return func() (*scsitest.Recorder, backstore.Backstore) { return newRecorder(t, store, opts), store }
	}
	return map[string]func() (*scsitest.Recorder, backstore.Backstore){
		"inline":     on(newMem(t, nil), nil),
		"worker":     on(newMem(t, &mem.Options{Without: backstore.CapNowait}), nil),
		"removable":  on(newMem(t, nil), &disk.Options{Removable: true}),
		"pieces":     on(&limited{newHooked(newMem(t, nil), 0), 4096}, nil),
		"submitter":  on(newSubmitter(newMem(t, nil)), nil),
		"4096 bytes": on(newMem(t, &mem.Options{BlockSize: 4096}), nil),
		"widened":    on(newMem(t, nil), &disk.Options{BlockSize: 4096}),
	}
}

// limited moves at most max bytes at once.
type limited struct {
	*hooked
	max int
}

func (l *limited) Geometry() backstore.Geometry {
	g := l.hooked.Geometry()
	g.MaxIO = l.max
	return g
}

func TestReadWrite(t *testing.T) {
	for name, make := range variants(t) {
		t.Run(name, func(t *testing.T) {
			r, store := make()
			bs := r.Description.BlockSize
			size := uint64(store.Geometry().Size) / uint64(bs)
			for i, op := range writes {
				for _, at := range []struct {
					lba uint64
					n   uint32
				}{{0, 1}, {size - 1, 1}, {7, 33}, {size - 100, 100}} {
					if op == scsi.OpWrite6 && at.lba+uint64(at.n) > 1<<21 {
						continue
					}
					data := pattern(byte(i)+byte(at.lba), int(at.n)*bs)
					requireGood(t, r.Do(cdb(op, at.lba, at.n), data))
					require.True(t, bytes.Equal(data, contents(t, store)[at.lba*uint64(bs):][:len(data)]))
					for _, op := range reads {
						res := r.Do(cdb(op, at.lba, at.n), nil)
						requireGood(t, res)
						require.True(t, bytes.Equal(data, res.Data), "%v", op)
					}
				}
			}
			// READ(6) and WRITE(6) of zero blocks move 256; all others none.
			requireGood(t, r.Do(cdb(scsi.OpWrite6, 0, 0), pattern(9, 256*bs)))
			require.Len(t, r.Do(cdb(scsi.OpRead6, 0, 0), nil).Data, 256*bs)
			for _, op := range []scsi.Opcode{scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16} {
				res := r.Do(cdb(op, size, 0), nil)
				requireGood(t, res)
				require.Empty(t, res.Data)
			}
		})
	}
}

// TestRange: no number of blocks at no LBA leaves the disk, whatever their sum is.
func TestRange(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, nil)
	before := contents(t, store)
	for _, op := range []scsi.Opcode{
		scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16,
		scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16, scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16,
		scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpCompareAndWrite,
	} {
		lbas := []uint64{blocks, blocks + 1, 1 << 31, math.MaxUint32}
		if row := scsi.Lookup(scsi.TypeDisk, cdb(op, 0, 0)); row.LBA.Size == 8 {
			lbas = append(lbas, 1<<32, 1<<55, 1<<63, math.MaxUint64-1, math.MaxUint64)
		}
		for _, lba := range lbas {
			for _, n := range []uint32{0, 1, 2} {
				if lba == blocks && n == 0 {
					continue
				}
				out := pattern(1, 512*int(n))
				switch op {
				case scsi.OpCompareAndWrite:
					out = pattern(1, 1024*int(n))
				case scsi.OpWriteSame10, scsi.OpWriteSame16:
					out = pattern(1, 512)
				}
				res := r.Do(cdb(op, lba, n), out)
				requireSense(t, scsi.LBAOutOfRange, res)
			}
		}
		requireSense(t, scsi.LBAOutOfRange, r.Do(cdb(op, blocks-1, 2), pattern(1, map[bool]int{true: 512, false: 1024}[op == scsi.OpWriteSame10 || op == scsi.OpWriteSame16]+map[bool]int{true: 1024}[op == scsi.OpCompareAndWrite])))
	}
	require.True(t, bytes.Equal(before, contents(t, store)))
}

// TestProtect: protection information is not supported (SBC-4 5.16).
func TestProtect(t *testing.T) {
	r := newRecorder(t, newMem(t, nil), nil)
	for _, op := range []scsi.Opcode{
		scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16,
		scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16, scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16,
		scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpCompareAndWrite,
	} {
		for protect := byte(1); protect < 8; protect++ {
			t.Run(fmt.Sprintf("%02x/%d", op, protect), func(t *testing.T) {
				out := make([]byte, 512)
				if op == scsi.OpCompareAndWrite {
					out = make([]byte, 1024)
				}
				requireField(t, 1, 7, r.Do(cdb(op, 0, 1, protect<<5), out))
			})
		}
	}
}

// TestFewerBytes: what the initiator is ready to move may be less than the CDB says.
func TestFewerBytes(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, nil)
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 4), pattern(3, 1024)))
	all := contents(t, store)
	require.Equal(t, pattern(3, 1024), all[:1024])
	require.Equal(t, make([]byte, 1024), all[1024:2048])
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 4), nil))
	require.True(t, bytes.Equal(all, contents(t, store)))
	requireSense(t, scsi.LBAOutOfRange, r.Do(cdb(scsi.OpWrite10, blocks-1, 4), pattern(3, 512)))
}

func TestReadOnly(t *testing.T) {
	for name, opts := range map[string]*disk.Options{"option": {ReadOnly: true}, "store": nil} {
		t.Run(name, func(t *testing.T) {
			inner := newMem(t, nil)
			var store backstore.Backstore = inner
			if opts == nil {
				store = &readOnly{newHooked(inner, 0)}
			}
			r := newRecorder(t, store, opts)
			before := contents(t, inner)
			for _, op := range append(writes, scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16,
				scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpCompareAndWrite, scsi.OpUnmap) {
				// Before everything else: not even the protection field is looked at.
				requireSense(t, scsi.WriteProtected, r.Do(cdb(op, 0, 1, 0xE9), pattern(1, 512)))
			}
			require.True(t, bytes.Equal(before, contents(t, inner)))
			requireGood(t, r.Do(cdb(scsi.OpRead10, 0, 1), nil))
			res := r.Do([]byte{0x1A, 0, 0x3F, 0, 255, 0}, nil)
			require.Equal(t, byte(0x90), res.Data[2], "WP and DPOFUA")
		})
	}
}

// readOnly says so.
type readOnly struct{ *hooked }

func (r *readOnly) Geometry() backstore.Geometry {
	g := r.hooked.Geometry()
	g.ReadOnly = true
	return g
}
