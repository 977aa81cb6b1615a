package sgv_test

import (
	"fmt"
	"testing"

	"github.com/goscst/goscst/sgv"
)

func BenchmarkGetRelease(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			p := sgv.NewPool(nil)
			defer p.Close()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					buf, _ := p.Get(size, nil)
					buf.Release()
				}
			})
		})
	}
}

// What one lock for all CPUs costs.
func BenchmarkGetReleaseOneShard(b *testing.B) {
	p := sgv.NewPool(&sgv.Options{Shards: 1})
	defer p.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			buf, _ := p.Get(4096, nil)
			buf.Release()
		}
	})
}

// Each goroutine has a session limit under one engine limit.
func BenchmarkGetReleaseLimited(b *testing.B) {
	p := sgv.NewPool(nil)
	defer p.Close()
	engine := sgv.NewLimit(1<<30, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		session := sgv.NewLimit(1<<20, engine)
		for pb.Next() {
			buf, _ := p.Get(4096, session)
			buf.Release()
		}
	})
}

// 32 commands in flight per goroutine, lengths that change.
func BenchmarkQueueDepth32(b *testing.B) {
	p := sgv.NewPool(nil)
	defer p.Close()
	sizes := [...]int{512, 4096, 8192, 36, 65536, 4096, 131072, 1000}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var q [32]*sgv.Buf
		for i := 0; pb.Next(); i++ {
			at := &q[i%len(q)]
			if *at != nil {
				(*at).Release()
			}
			*at, _ = p.Get(sizes[i%len(sizes)], nil)
		}
		for _, buf := range q {
			if buf != nil {
				buf.Release()
			}
		}
	})
}

// One goroutine gets, another releases: what a writer goroutine or an I/O ring does.
func BenchmarkHandOver(b *testing.B) {
	p := sgv.NewPool(nil)
	defer p.Close()
	ch := make(chan *sgv.Buf, 64)
	done := make(chan struct{})
	go func() {
		for buf := range ch {
			buf.Release()
		}
		close(done)
	}()
	b.ReportAllocs()
	for b.Loop() {
		buf, _ := p.Get(4096, nil)
		ch <- buf
	}
	close(ch)
	<-done
}

func BenchmarkWriteAt(b *testing.B) {
	p := sgv.NewPool(nil)
	defer p.Close()
	buf, _ := p.Get(255, nil)
	defer buf.Release()
	data := make([]byte, 36)
	b.ReportAllocs()
	for b.Loop() {
		buf.WriteAt(data, 0)
	}
}

func BenchmarkAppend(b *testing.B) {
	p := sgv.NewPool(nil)
	defer p.Close()
	buf, _ := p.Get(256<<10, nil)
	defer buf.Release()
	var iov [8][]byte
	b.ReportAllocs()
	for b.Loop() {
		_ = buf.Append(iov[:0], 4096, 200<<10)
	}
}

func BenchmarkMiss(b *testing.B) {
	for _, tc := range []struct {
		name  string
		alloc sgv.Allocator
	}{{"heap", sgv.Heap()}, {"huge", sgv.HugePages()}} {
		b.Run(tc.name, func(b *testing.B) {
			p := sgv.NewPool(&sgv.Options{MaxCached: -1, Allocator: tc.alloc})
			defer p.Close()
			keep, _ := p.Get(4096, nil)
			defer keep.Release()
			b.ReportAllocs()
			for b.Loop() {
				buf, _ := p.Get(4096, nil)
				buf.Release()
			}
		})
	}
}
