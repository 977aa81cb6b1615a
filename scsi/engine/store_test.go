package engine_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestDir: every key has a file of its own in the directory, whatever it is made of.
func TestDir(t *testing.T) {
	dir := engine.Dir(filepath.Join(t.TempDir(), "not", "there", "yet"))
	long := strings.Repeat("x", 300)
	keys := []string{
		"disk/pages", "../disk_pages", "..", ".", "/", "Disk/pages", "disk_pages", "disk_2fpages", "disk:pages", "disk\\pages",
		"\x00", "ü", "nul/pages", long, long + "1", strings.Repeat("/", 100), strings.Repeat("/", 101), "iqn.2026-11.example:disk/pages",
	}
	for _, k := range keys {
		_, err := dir.Load(k)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, dir.Save(k, nil), "removing nothing does no harm")
	}
	for i, k := range keys {
		require.NoError(t, dir.Save(k, []byte("old")))
		require.NoError(t, dir.Save(k, []byte{byte(i)}))
	}
	for i, k := range keys {
		b, err := dir.Load(k)
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, b, "key %q", k)
	}
	files, err := os.ReadDir(string(dir))
	require.NoError(t, err)
	require.Len(t, files, len(keys), "no key leaves the directory, none has two files")
	lower := map[string]bool{}
	for _, f := range files {
		require.LessOrEqual(t, len(f.Name()), 200)
		require.NotContains(t, f.Name(), ":")
		lower[strings.ToLower(f.Name())] = true
	}
	require.Len(t, lower, len(keys), "also where case does not count")

	require.NoError(t, dir.Save("empty", []byte{}))
	b, err := dir.Load("empty")
	require.NoError(t, err)
	require.Empty(t, b, "saved, although there is nothing in it")
	for _, k := range append(keys, "empty") {
		require.NoError(t, dir.Save(k, nil))
		_, err = dir.Load(k)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	_, err = dir.Load("")
	require.Error(t, err)
	require.Error(t, dir.Save("", []byte("x")))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, engine.Dir(file).Save("k", []byte("x")), "not a directory")
}

// failingStore saves nothing.
type failingStore struct{ err error }

func (s failingStore) Load(string) ([]byte, error) { return nil, s.err }
func (s failingStore) Save(string, []byte) error   { return s.err }

// TestHostStore: handlers meet the engine's store, each under its own name.
func TestHostStore(t *testing.T) {
	dir := engine.Dir(t.TempDir())
	e := engine.New(&engine.Options{Store: dir})
	defer e.Close()
	hosts := map[string]scsi.Host{}
	for _, name := range []string{"a", "b"} {
		h := &bound{}
		_, err := e.AddDevice(name, h, nil)
		require.NoError(t, err)
		hosts[name] = h.host
		require.NoError(t, h.host.Save("k", []byte(name)))
	}
	for name, h := range hosts {
		v, err := h.Load("k")
		require.NoError(t, err)
		require.Equal(t, name, string(v))
	}
	v, err := dir.Load("a/k")
	require.NoError(t, err)
	require.Equal(t, "a", string(v))
	require.NoError(t, hosts["a"].Save("k", nil))
	_, err = hosts["a"].Load("k")
	require.ErrorIs(t, err, fs.ErrNotExist)

	broken := engine.New(&engine.Options{Store: failingStore{errors.New("the disk is full")}})
	defer broken.Close()
	h := &bound{}
	_, err = broken.AddDevice("a", h, nil)
	require.NoError(t, err)
	require.True(t, h.host.Persistent())
	require.ErrorContains(t, h.host.Save("k", []byte("v")), "the disk is full")
}
