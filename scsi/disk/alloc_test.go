//go:build !scsidebug && !race

package disk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
)

// TestAllocs: READ and WRITE allocate nothing, whichever way they go. (The race detector makes sync.Pool
// forget things at random.)
func TestAllocs(t *testing.T) {
	inline := newSubmitter(newMem(t, nil))
	inline.inline, inline.quiet = true, true
	for name, store := range map[string]backstore.Backstore{
		"lent":         newMem(t, nil),
		"inline":       newMem(t, &mem.Options{Without: backstore.CapLend}),
		"worker":       newMem(t, &mem.Options{Without: backstore.CapNowait | backstore.CapLend}),
		"worker, FUA":  newMem(t, &mem.Options{Without: backstore.CapNowait | backstore.CapLend, Volatile: true}),
		"emulated FUA": newMem(t, &mem.Options{Without: backstore.CapNowait | backstore.CapLend | backstore.CapFUA, Volatile: true}),
		"submitter":    inline,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t, store, nil)
			for _, n := range []int{8, 512} {
				for _, flags := range []byte{0, 8} {
					for _, c := range [][]byte{cdb(scsi.OpRead10, 16, uint32(n), flags), cdb(scsi.OpWrite16, 16, uint32(n), flags)} {
						var out []byte
						if c[0] == byte(scsi.OpWrite16) {
							out = pattern(1, n*512)
						}
						task := r.Prepare(c, out)
						run := func() {
							if task.Run() != scsi.StatusGood {
								t.Errorf("% x ends with %v", c, task.Result().Err)
							}
						}
						run()
						require.Zero(t, testing.AllocsPerRun(200, run), "% x", c)
						task.Release()
					}
				}
			}
		})
	}
}

func BenchmarkRead4K(b *testing.B)  { benchmark(b, cdb(scsi.OpRead10, 16, 8), nil) }
func BenchmarkWrite4K(b *testing.B) { benchmark(b, cdb(scsi.OpWrite10, 16, 8), pattern(1, 4096)) }

func benchmark(b *testing.B, cdb, out []byte) {
	r := newRecorder(b, newMem(b, nil), nil)
	task := r.Prepare(cdb, out)
	defer task.Release()
	b.ReportAllocs()
	for b.Loop() {
		if task.Run() != scsi.StatusGood {
			b.Fatal(task.Result().Err)
		}
	}
}
