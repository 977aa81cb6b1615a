package local_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	nullstore "github.com/goscst/goscst/backstore/null"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

// null is a handler that does nothing: what is measured is the engine and this package.
func null(*scsi.Command) error { return nil }

// BenchmarkDo is one command at a time.
func BenchmarkDo(b *testing.B) {
	for _, size := range []int{0, 4 << 10, 256 << 10} {
		for _, direct := range []bool{false, true} {
			b.Run(fmt.Sprintf("read/%d/direct=%t", size, direct), func(b *testing.B) {
				_, tgt := target(b, inline(null))
				i := login(b, tgt, &local.Options{Direct: direct})
				in := make([]byte, size)
				cdb := read16(0, uint32(size/512))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := i.Do(bg, 0, cdb, nil, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkDisk is a READ of 4 KiB of a disk whose store lends its memory: on the null store,
// what engine, disk and this package cost.
func BenchmarkDisk(b *testing.B) {
	for name, store := range map[string]backstore.Backstore{"null": nullstore.New(64 << 20), "mem": mem.New(64 << 20)} {
		b.Run(name, func(b *testing.B) {
			i := serve(b, disk.New(store, nil))
			c := &local.Command{CDB: read16(8, 8), In: make([]byte, 4096)}
			b.ReportAllocs()
			for b.Loop() {
				i.Start(c, ignore)
			}
			if c.Err != nil {
				b.Fatal(c.Err)
			}
		})
	}
}

// BenchmarkStart holds 32 commands in progress.
func BenchmarkStart(b *testing.B) {
	for name, u := range map[string]*unit{"inline": inline(null), "workers": blocking(null)} {
		b.Run(name, func(b *testing.B) {
			i := serve(b, u)
			var mu sync.Mutex
			left := b.N
			var wg sync.WaitGroup
			var next func(c *local.Command)
			next = func(c *local.Command) {
				mu.Lock()
				left--
				more := left >= 0
				mu.Unlock()
				if !more {
					wg.Done()
					return
				}
				i.Start(c, next)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range 32 {
				wg.Add(1)
				next(&local.Command{CDB: read16(0, 8), In: make([]byte, 4096)})
			}
			wg.Wait()
		})
	}
}

func ignore(*local.Command) {}

// BenchmarkDisks is a READ of 4 KiB of one disk of many, another one each time: what is known of
// a disk is in no cache then. B/disk is what an engine holds for a disk that has been read.
func BenchmarkDisks(b *testing.B) {
	for _, n := range []int{1, 256, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			before := heap()
			eng, tgt := target(b, disk.New(nullstore.New(64<<20), nil))
			for lun := 1; lun < n; lun++ {
				d, err := eng.AddDevice(fmt.Sprint("disk", lun), disk.New(nullstore.New(64<<20), nil), nil)
				require.NoError(b, err)
				require.NoError(b, tgt.Map(uint16(lun), d, nil))
			}
			i := login(b, tgt, nil)
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			c := &local.Command{CDB: read16(8, 8), In: make([]byte, 4096)}
			read := func(lun int) {
				c.LUN = uint16(lun)
				i.Start(c, ignore)
			}
			for range 2 {
				for _, lun := range order {
					read(lun)
				}
			}
			require.NoError(b, c.Err)
			b.ReportAllocs()
			b.ResetTimer()
			for k := range b.N {
				read(order[k%n])
			}
			b.StopTimer()
			require.NoError(b, c.Err)
			b.ReportMetric(float64(heap()-before)/float64(n), "B/disk")
		})
	}
}

// TestDisksAreSmall bounds what an engine holds for a disk that an initiator sees and has read.
func TestDisksAreSmall(t *testing.T) {
	const n = 500
	before := heap()
	eng, tgt := target(t)
	for lun := range n {
		d, err := eng.AddDevice(fmt.Sprint("disk", lun), disk.New(nullstore.New(64<<20), nil), nil)
		require.NoError(t, err)
		require.NoError(t, tgt.Map(uint16(lun), d, nil))
	}
	i := login(t, tgt, nil)
	in := make([]byte, 4096)
	for lun := range uint16(n) {
		_, err := i.Do(bg, lun, read16(8, 8), nil, in)
		require.NoError(t, err)
	}
	each := (heap() - before) / n
	t.Logf("a disk takes %d bytes", each)
	require.Less(t, each, int64(16<<10))
}

// heap is how many bytes of the heap are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // also what pools have kept from the first
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
