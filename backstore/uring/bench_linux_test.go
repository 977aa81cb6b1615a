package uring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/uring"
)

// BenchmarkRead4K compares random reads of 4 KiB with those of package file: from the page cache, past it, and
// with O_DIRECT. Package file gets a goroutine for each operation, as the workers of a device would do it.
// GOSCST_BENCH is a folder on the drive to measure.
func BenchmarkRead4K(b *testing.B) {
	const size = 256 << 20
	name := filepath.Join(os.Getenv("GOSCST_BENCH"), "goscst-bench")
	if os.Getenv("GOSCST_BENCH") == "" {
		name = filepath.Join(b.TempDir(), "disk")
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(name)
	defer f.Close()
	for range size >> 20 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	for _, mode := range []string{"hit", "miss", "direct"} {
		for _, depth := range []int{1, 32} {
			for _, kind := range []string{"file", "uring", "arena"} {
				if kind == "arena" && mode != "direct" {
					continue
				}
				b.Run(fmt.Sprintf("%s/%d/%s", mode, depth, kind), func(b *testing.B) {
					var s backstore.Backstore
					var err error
					arena, err := uring.NewArena(2 << 20)
					if err != nil {
						b.Fatal(err)
					}
					defer arena.Close()
					switch kind {
					case "file":
						s, err = file.Open(name, &file.Options{Direct: mode == "direct"})
					case "uring":
						s, err = uring.Open(name, &uring.Options{Direct: mode == "direct"})
					case "arena":
						s, err = uring.Open(name, &uring.Options{Direct: mode == "direct", Arena: arena})
					}
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					evict := func() {
						if mode == "miss" {
							b.StopTimer()
							if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
								b.Fatal(err)
							}
							b.StartTimer()
						}
					}
					if mode == "miss" { // no read-ahead
						if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
							b.Fatal(err)
						}
					}
					var before, after unix.Rusage
					_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
					r := newReaders(s, arena.Bytes()[:depth*4096], size/4096) // what no ring knows is like other memory
					b.ReportAllocs()
					b.ResetTimer()
					for left := b.N; left > 0; {
						evict()
						n := min(left, size/4096) // each block once
						r.run(n)
						left -= n
					}
					b.StopTimer()
					if r.err != nil {
						b.Fatal(r.err)
					}
					_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
					cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
					b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}

// readers keep a number of reads under way.
type readers struct {
	ops    []backstore.Op
	s      backstore.Backstore
	try    backstore.NowaitIO
	sub    backstore.Submitter // nil: a goroutine for each operation
	blocks int64

	mu   sync.Mutex
	left int
	next int64
	busy int
	idle chan struct{}
	err  error
}

func newReaders(s backstore.Backstore, mem []byte, blocks int64) *readers {
	a := backstore.Resolve(s)
	r := &readers{s: s, try: a.Nowait, sub: a.Submitter, blocks: blocks, ops: make([]backstore.Op, len(mem)/4096), idle: make(chan struct{}, 1)}
	for i := range r.ops {
		r.ops[i].Kind, r.ops[i].Iov = backstore.OpRead, [][]byte{mem[i*4096 : (i+1)*4096]}
	}
	return r
}

func (r *readers) run(n int) {
	r.left, r.busy = n, len(r.ops)
	var wg sync.WaitGroup
	for i := range r.ops {
		if r.sub == nil {
			wg.Go(func() { r.block(&r.ops[i]) })
		} else {
			r.OpDone(&r.ops[i], nil)
		}
	}
	wg.Wait()
	if r.sub != nil {
		<-r.idle
	}
}

// take gives op its next place; false at the end.
func (r *readers) take(op *backstore.Op, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
	if r.left == 0 {
		if r.busy--; r.busy == 0 && r.sub != nil {
			r.idle <- struct{}{}
		}
		return false
	}
	r.left--
	r.next++
	op.Off = r.next * 40503 % r.blocks * 4096 // an odd factor reaches all
	return true
}

func (r *readers) block(op *backstore.Op) {
	var err error
	for r.take(op, err) {
		if r.try != nil {
			if err = r.try.TryReadv(op.Iov, op.Off); err == nil {
				continue
			}
		}
		err = r.s.Readv(context.Background(), op.Iov, op.Off)
	}
}

func (r *readers) OpDone(op *backstore.Op, err error) {
	for r.take(op, err) {
		if r.try != nil && r.try.TryReadv(op.Iov, op.Off) == nil {
			err = nil
			continue
		}
		op.Arm(context.Background(), r)
		r.sub.Submit(op)
		return
	}
}
