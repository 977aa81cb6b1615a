package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/leak"
)

// newStore opens a new file of size bytes.
func newStore(t *testing.T, size int64, opts Options) *Store {
	t.Helper()
	opts.Create, opts.Size = true, size
	s, err := Open(filepath.Join(t.TempDir(), "disk"), &opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestOpenRefuses(t *testing.T) {
	leak.Files(t)
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	require.NoError(t, os.WriteFile(full, make([]byte, 8192), 0o600))
	tests := []struct {
		name string
		file string
		opts Options
		want string
	}{
		{"missing", filepath.Join(dir, "missing"), Options{}, "no such file"},
		{"no size", full, Options{Create: true}, "Create needs a Size"},
		{"create read-only", full, Options{Create: true, Size: 512, ReadOnly: true}, "exclude each other"},
		{"smaller than the file", full, Options{Size: 4096}, "more than the size 4096"},
		{"read-only and larger", full, Options{Size: 16384, ReadOnly: true}, "less than the size"},
		{"directory", dir, Options{ReadOnly: true}, "not a regular file"},
		{"block size", full, Options{BlockSize: 1000}, "block size 1000"},
		{"size of half a block", full, Options{Size: 8700}, "size 8700"},
		{"negative size", full, Options{Size: -512}, "size -512"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.file, &tt.opts)
			require.ErrorContains(t, err, tt.want)
		})
	}
	st, err := os.Stat(full)
	require.NoError(t, err)
	require.EqualValues(t, 8192, st.Size(), "nothing was cut off")
}

func TestOpenSizes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	for _, tt := range []struct {
		opts Options
		want int64
	}{
		{Options{Create: true, Size: 4096}, 4096},
		{Options{}, 4096},
		{Options{Create: true, Size: 4096}, 4096},
		{Options{Size: 12288}, 12288},
		{Options{BlockSize: 8192}, 8192}, // the rest is left alone
		{Options{ReadOnly: true, Size: 12288}, 12288},
	} {
		s, err := Open(name, &tt.opts)
		require.NoError(t, err)
		require.Equal(t, tt.want, s.Geometry().Size)
		require.NoError(t, s.Close())
	}
	st, err := os.Stat(name)
	require.NoError(t, err)
	require.EqualValues(t, 12288, st.Size())
}

// TestCreateFailsClean: what could not be set up is removed, what was there before is not.
func TestCreateFailsClean(t *testing.T) {
	leak.Files(t)
	name := filepath.Join(t.TempDir(), "disk")
	opts := Options{Create: true, Size: 1 << 60, Thick: true}
	_, err := Open(name, &opts)
	require.Error(t, err, "nobody has an exabyte")
	require.NoFileExists(t, name)
	require.NoError(t, os.WriteFile(name, make([]byte, 8192), 0o600))
	opts.Size, opts.Thick = 4096, false
	_, err = Open(name, &opts)
	require.Error(t, err)
	require.FileExists(t, name)
}

func TestDurabilityOfModes(t *testing.T) {
	require.True(t, newStore(t, 4096, Options{}).Geometry().Volatile)
	require.False(t, newStore(t, 4096, Options{WriteThrough: true}).Geometry().Volatile)
	s := newStore(t, 4096, Options{Rotational: true, Thick: true})
	require.True(t, s.Geometry().Rotational)
	require.False(t, backstore.Caps(s).Has(backstore.CapUnmap))
}

func TestReadPastEnd(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	var events []backstore.Event
	s.Notify(func(e backstore.Event) { events = append(events, e) })
	require.NoError(t, os.Truncate(s.h.F.Name(), 512<<10))
	buf := [][]byte{make([]byte, 4096)}
	require.Error(t, s.Readv(t.Context(), buf, 1<<20-4096), "what is missing must not read as zeroes")
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 1024)}, 512<<10-512), "nor a part of it")
	require.ErrorIs(t, s.TryReadv(buf, 1<<20-4096), backstore.ErrWouldBlock)
	require.NoError(t, s.Refresh())
	require.ErrorIs(t, s.Readv(t.Context(), buf, 1<<20-4096), backstore.ErrOutOfRange)
	require.NoError(t, os.Truncate(s.h.F.Name(), 2<<20+5))
	require.NoError(t, s.Refresh())
	require.NoError(t, s.Refresh())
	require.EqualValues(t, 2<<20, s.Geometry().Size)
	require.NoError(t, s.Readv(t.Context(), buf, 1<<20-4096))
	capacity := backstore.Event{Kind: backstore.EventCapacity}
	require.Equal(t, []backstore.Event{capacity, capacity}, events)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Refresh(), backstore.ErrClosed)
	require.ErrorIs(t, s.Resize(4096), backstore.ErrClosed)
	require.ErrorIs(t, s.Resize(4<<20), backstore.ErrClosed)
}

func TestNewOfOpenFile(t *testing.T) {
	leak.Files(t)
	f, err := os.CreateTemp(t.TempDir(), "disk")
	require.NoError(t, err)
	s, err := New(f, &Options{Size: 8192})
	require.NoError(t, err)
	require.EqualValues(t, 8192, s.Geometry().Size)
	require.NoError(t, s.Close())
	require.ErrorIs(t, f.Close(), os.ErrClosed, "the store owns the file")

	f, err = os.CreateTemp(t.TempDir(), "disk")
	require.NoError(t, err)
	_, err = New(f, &Options{BlockSize: 3})
	require.Error(t, err)
	require.ErrorIs(t, f.Close(), os.ErrClosed, "also when New fails")
}
