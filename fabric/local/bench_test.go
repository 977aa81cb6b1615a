package local_test

import (
	"fmt"
	"sync"
	"testing"

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
