package uring

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/peers"
)

func TestMain(m *testing.M) { leak.Main(m) }

// open opens a store, or skips the test where there is no io_uring.
func open(t testing.TB, name string, opts *Options) *Store {
	t.Helper()
	s, err := Open(name, opts)
	if errors.Is(err, errors.ErrUnsupported) {
		peers.Missing(t, err.Error())
	}
	if opts != nil && opts.Direct && err != nil {
		peers.Missing(t, err.Error())
	}
	require.NoError(t, err)
	return s
}

// newFile makes a file of size bytes, in memory if it can be there.
func newFile(t testing.TB, size int64, inMemory bool) string {
	t.Helper()
	dir := t.TempDir()
	if inMemory {
		if d, err := os.MkdirTemp("/dev/shm", "goscst"); err == nil {
			dir = d
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(d)) })
		}
	}
	name := filepath.Join(dir, "disk")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.NoError(t, os.Truncate(name, size))
	return name
}

// newStore opens a new file that is closed and removed with the test.
func newStore(t testing.TB, size int64, opts *Options) *Store {
	t.Helper()
	s := open(t, newFile(t, size, false), opts)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name     string
		size     int64
		opts     Options
		inMemory bool
	}{
		{"buffered", 4<<20 + 512, Options{}, false},
		{"memory", 4 << 20, Options{}, true},
		{"depth 1", 1 << 20, Options{Depth: 1}, true},
		{"depth 3", 1 << 20, Options{Depth: 3}, false},
		{"write-through", 1 << 20, Options{WriteThrough: true}, false},
		{"direct", 1 << 20, Options{Direct: true}, false},
		{"direct 4096", 4 << 20, Options{Direct: true, WriteThrough: true, BlockSize: 4096, Depth: 2}, false},
		{"bare", 1 << 20, Options{Without: backstore.CapAll &^ (backstore.CapFlush | backstore.CapNotify)}, true},
		{"huge", 1 << 40, Options{BlockSize: 4096}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				return open(t, newFile(t, tt.size, tt.inMemory), &tt.opts)
			}, &backstoretest.Options{
				Ops:       60,
				ZeroAlloc: !raceDetector,
				Resize: func(b backstore.Backstore, size int64) error {
					s := b.(*Store)
					if size%int64(s.file.BlockSize) != 0 {
						return backstore.ErrMisaligned
					}
					return errors.Join(s.file.F.Truncate(size), s.Refresh())
				},
				Reopen: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
					require.NoError(t, b.Close())
					return open(t, b.(*Store).file.F.Name(), &tt.opts)
				},
			})
		})
	}
}

func TestReadOnlyConformance(t *testing.T) {
	name := newFile(t, 1<<20+100, false)
	for _, opts := range []*Options{{ReadOnly: true}, {ReadOnly: true, BlockSize: 4096, Direct: true}} {
		backstoretest.Run(t, func(t *testing.T) backstore.Backstore {
			s := open(t, name, opts)
			require.EqualValues(t, 1<<20, s.Geometry().Size, "only whole blocks")
			return s
		})
	}
}
