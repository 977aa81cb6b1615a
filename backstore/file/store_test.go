package file

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/peers"
)

// shm is a directory in memory, or "".
func shm(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "goscst")
	if err != nil {
		return ""
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestConformance(t *testing.T) {
	leak.Files(t)
	tests := []struct {
		name     string
		opts     Options
		inMemory bool
	}{
		{"buffered", Options{Size: 4<<20 + 512}, false},
		{"memory", Options{Size: 4 << 20}, true},
		{"write-through", Options{Size: 1 << 20, WriteThrough: true}, false},
		{"direct", Options{Size: 1 << 20, Direct: true}, false},
		{"direct 4096", Options{Size: 4 << 20, Direct: true, WriteThrough: true, BlockSize: 4096}, false},
		{"thick", Options{Size: 1 << 20, Thick: true}, false},
		{"bare", Options{Size: 1 << 20, Without: backstore.CapAll &^ (backstore.CapFlush | backstore.CapNotify)}, true},
		{"huge", Options{Size: 1 << 40, BlockSize: 4096}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.inMemory {
				if dir = shm(t); dir == "" {
					peers.Missing(t, "there is no file system in memory")
				}
			}
			tt.opts.Create = true
			open := func(t *testing.T, name string) backstore.Backstore {
				s, err := Open(name, &tt.opts)
				if tt.opts.Direct && err != nil {
					peers.Missing(t, "direct I/O: "+err.Error())
				}
				require.NoError(t, err)
				return s
			}
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				f, err := os.CreateTemp(dir, "disk")
				require.NoError(t, err)
				require.NoError(t, f.Close())
				t.Cleanup(func() { require.NoError(t, os.Remove(f.Name())) })
				return open(t, f.Name())
			}, &backstoretest.Options{
				Ops:       100,
				ZeroAlloc: runtime.GOOS == "linux",
				Resize:    func(b backstore.Backstore, size int64) error { return b.(*Store).Resize(size) },
				Reopen: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
					require.NoError(t, b.Close())
					return open(t, b.(*Store).h.F.Name())
				},
			})
		})
	}
}

func TestReadOnlyConformance(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20+100), 0o400))
	for _, opts := range []Options{{ReadOnly: true}, {ReadOnly: true, WriteThrough: true, BlockSize: 4096}} {
		backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
			s, err := Open(name, &opts)
			require.NoError(t, err)
			require.EqualValues(t, 1<<20, s.Geometry().Size, "only whole blocks")
			return s
		}, &backstoretest.Options{ZeroAlloc: runtime.GOOS == "linux"})
	}
}
