package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/goscst/goscst/backstore"
)

// Benchmark4K reads and writes blocks at random, one at a time, in a file that the page cache
// has, and in one in memory.
func Benchmark4K(b *testing.B) {
	const size = 64 << 20
	mem, err := os.MkdirTemp("/dev/shm", "goscst")
	if err != nil {
		mem = b.TempDir()
	}
	defer os.RemoveAll(mem)
	for name, dir := range map[string]string{"disk": b.TempDir(), "memory": mem} {
		s, err := Open(filepath.Join(dir, "disk"), &Options{Create: true, Size: size})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if err := s.Writev(b.Context(), [][]byte{make([]byte, size)}, 0); err != nil {
			b.Fatal(err)
		}
		iov := [][]byte{make([]byte, 4096)}
		eight := [][]byte{iov[0][:512], iov[0][512:1024], iov[0][1024:2048], iov[0][2048:]}
		for _, op := range []struct {
			name string
			do   func(off int64) error
		}{
			{"read", func(off int64) error { return s.Readv(context.Background(), iov, off) }},
			{"write", func(off int64) error { return s.Writev(context.Background(), iov, off) }},
			{"write-4", func(off int64) error { return s.Writev(context.Background(), eight, off) }},
			{"try-read", func(off int64) error { return s.TryReadv(iov, off) }},
			{"try-write", func(off int64) error { return s.TryWritev(iov, off) }},
		} {
			b.Run(name+"/"+op.name, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := op.do(int64(i*7919%(size/4096)) * 4096); err != nil && !errors.Is(err, backstore.ErrWouldBlock) {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
