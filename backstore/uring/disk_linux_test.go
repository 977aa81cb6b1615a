package uring_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/uring"
	"github.com/goscst/goscst/internal/peers"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

// newDisk is a disk of 2 MiB on a ring.
func newDisk(t *testing.T, opts *uring.Options) *scsitest.Recorder {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 2<<20), 0o600))
	s, err := uring.Open(name, opts)
	if err != nil && (errors.Is(err, errors.ErrUnsupported) || opts.Direct) {
		peers.Missing(t, err.Error())
	}
	require.NoError(t, err)
	require.True(t, backstore.Caps(s).Has(backstore.CapSubmit))
	r, err := scsitest.New(disk.New(s, nil), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func cdb(op scsi.Opcode, lba uint64, n uint32, flags byte) []byte {
	b := scsi.AppendCDB(nil, scsi.Lookup(scsi.TypeDisk, append([]byte{byte(op)}, make([]byte, 15)...)), lba, n)
	b[1] |= flags
	return b
}

// TestDisk serves random commands, several at once, and compares with a slice of bytes.
func TestDisk(t *testing.T) {
	for name, opts := range map[string]*uring.Options{
		"buffered":      {},
		"submit only":   {Depth: 3, Without: backstore.CapNowait},
		"direct":        {Direct: true},
		"write-through": {WriteThrough: true, Without: backstore.CapFUA},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDisk(t, opts)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			const lanes, blocks = 8, 128 // each lane has blocks of its own
			want := make([]byte, lanes*blocks*512)
			for range 40 {
				var tasks [lanes]*scsitest.Task
				var expect [lanes][]byte
				for lane := range lanes {
					from := lane*blocks + rng.IntN(blocks/2)
					n := 1 + rng.IntN(blocks/2)
					p := want[from*512 : (from+n)*512]
					lba := uint64(from)
					var c, out []byte
					switch rng.IntN(5) {
					case 0, 1:
						c, expect[lane] = cdb(scsi.OpRead10, lba, uint32(n), byte(rng.IntN(2))<<3), bytes.Clone(p)
					case 2, 3:
						for i := range p {
							p[i] = byte(rng.Uint32())
						}
						c, out = cdb(scsi.OpWrite10, lba, uint32(n), byte(rng.IntN(2))<<3), bytes.Clone(p)
					default:
						c = cdb(scsi.OpSynchronizeCache10, lba, uint32(n), 0)
					}
					tasks[lane] = r.Start(c, out)
				}
				for lane, task := range tasks {
					res := task.Wait()
					require.Equal(t, scsi.StatusGood, res.Status, "%v", res.Err)
					if expect[lane] != nil {
						require.True(t, bytes.Equal(expect[lane], res.Data), "lane %d", lane)
					}
				}
			}
			res := r.Do(cdb(scsi.OpRead10, lanes*blocks*4-1, 2, 0), nil)
			require.Equal(t, scsi.LBAOutOfRange, res.Code())
		})
	}
}

// TestHandler runs what every handler must pass.
func TestHandler(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 2<<20), 0o600))
	scsitest.TestHandler(t, func(t *testing.T) scsi.Handler {
		s, err := uring.Open(name, nil)
		if errors.Is(err, errors.ErrUnsupported) {
			peers.Missing(t, err.Error())
		}
		require.NoError(t, err)
		return disk.New(s, nil)
	})
}
