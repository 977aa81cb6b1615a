package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	data, err := Read(name, 100)
	require.NoError(t, err)
	require.Nil(t, data)
	for _, want := range []string{"first", "", "a longer one than before"} {
		require.NoError(t, Write(name, []byte(want), 0o600))
		data, err = Read(name, 100)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	_, err = Read(name, 5)
	require.ErrorContains(t, err, "more than 5 bytes")
	require.Equal(t, []string{"state"}, names(t, name))
}

func TestRemove(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	require.NoError(t, Remove(name), "what is not there is gone")
	require.NoError(t, Remove(filepath.Join(t.TempDir(), "no", "state")))
	require.NoError(t, Write(name, []byte("x"), 0o600))
	require.NoError(t, Remove(name))
	require.Empty(t, names(t, name))
	full := t.TempDir()
	require.NoError(t, Write(filepath.Join(full, "state"), nil, 0o600))
	require.Error(t, Remove(full), "a directory that is not empty")
}

func TestNoDirectory(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "no", "state"), nil, 0o600)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// failing fails at one of its steps.
type failing struct {
	osSteps
	at string
}

var errStep = errors.New("step failed")

func (s failing) fill(f *os.File, data []byte) error {
	if s.at == "fill" {
		_, _ = f.Write(data[:len(data)/2])
		return errStep
	}
	return s.osSteps.fill(f, data)
}

func (s failing) create(dir, prefix string, perm fs.FileMode) (*os.File, error) {
	if s.at == "create" {
		return nil, errStep
	}
	return s.osSteps.create(dir, prefix, perm)
}

func (s failing) sync(f *os.File) error { return s.or("sync", func() error { return f.Sync() }) }
func (s failing) close(f *os.File) error {
	return errors.Join(f.Close(), s.or("close", func() error { return nil }))
}

func (s failing) rename(from, to string) error {
	return s.or("rename", func() error { return os.Rename(from, to) })
}

func (s failing) syncDir(dir string) error {
	return s.or("syncDir", func() error { return syncDir(dir) })
}

func (s failing) or(step string, do func() error) error {
	if s.at == step {
		return errStep
	}
	return do()
}

func TestFailedSteps(t *testing.T) {
	for _, step := range []string{"create", "fill", "sync", "close", "rename", "syncDir"} {
		t.Run(step, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "state")
			require.NoError(t, Write(name, []byte("old contents"), 0o600))
			require.ErrorIs(t, write(failing{at: step}, name, []byte("new contents"), 0o600), errStep)
			data, err := Read(name, 100)
			require.NoError(t, err)
			if step == "syncDir" {
				require.Equal(t, "new contents", string(data))
			} else {
				require.Equal(t, "old contents", string(data))
			}
			require.Equal(t, []string{"state"}, names(t, name), "no temporary file stays")
		})
	}
}

// TestOrder: the file is flushed before it gets its name, and the directory after it.
func TestOrder(t *testing.T) {
	rec := &recorder{}
	require.NoError(t, write(rec, filepath.Join(t.TempDir(), "state"), []byte("x"), 0o600))
	require.Equal(t, []string{"create", "fill", "sync", "close", "rename", "syncDir"}, rec.steps)
}

type recorder struct {
	osSteps
	steps []string
}

func (r *recorder) create(dir, prefix string, perm fs.FileMode) (*os.File, error) {
	r.steps = append(r.steps, "create")
	return r.osSteps.create(dir, prefix, perm)
}

func (r *recorder) fill(f *os.File, data []byte) error {
	r.steps = append(r.steps, "fill")
	return r.osSteps.fill(f, data)
}
func (r *recorder) sync(f *os.File) error  { r.steps = append(r.steps, "sync"); return f.Sync() }
func (r *recorder) close(f *os.File) error { r.steps = append(r.steps, "close"); return f.Close() }

func (r *recorder) rename(from, to string) error {
	r.steps = append(r.steps, "rename")
	return os.Rename(from, to)
}

func (r *recorder) syncDir(dir string) error {
	r.steps = append(r.steps, "syncDir")
	return syncDir(dir)
}

func TestConcurrentWritersAndReaders(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	require.NoError(t, Write(name, bytes.Repeat([]byte{'0'}, 10000), 0o600))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				if err := Write(name, bytes.Repeat([]byte{'a' + byte(w)}, 10000+i), 0o600); err != nil {
					t.Error(err)
				}
				data, err := Read(name, 1<<20)
				if err != nil || len(data) < 10000 || bytes.Count(data, data[:1]) != len(data) {
					t.Errorf("mixed contents: %d bytes, %v", len(data), err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, []string{"state"}, names(t, name))
}

func TestRemoveTemp(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state")
	require.NoError(t, RemoveTemp(filepath.Join(dir, "no", "state")))
	require.NoError(t, Write(name, []byte("x"), 0o600))
	for _, n := range []string{".state.tmp123", ".state.tmp", ".other.tmp1", "state.tmp1"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, n), nil, 0o600))
	}
	require.NoError(t, RemoveTemp(name))
	require.Equal(t, []string{".other.tmp1", ".state.tmp", "state", "state.tmp1"}, names(t, name))
}

func names(t *testing.T, name string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
