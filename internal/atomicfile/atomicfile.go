package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// Write replaces the file name by one that holds data, with permissions perm (before umask). When
// it returns nil the new contents are on stable storage; when it fails, name has its old contents,
// or the new ones if only the last step, flushing the directory, failed. It is safe for concurrent
// use; of concurrent calls one wins as a whole. A symbolic link is replaced, not followed. The
// temporary files are in the same directory and begin with a dot, the base of name and ".tmp"; a
// crash can leave one behind, which RemoveTemp clears.
func Write(name string, data []byte, perm fs.FileMode) error {
	return write(osSteps{}, name, data, perm)
}

// Read returns the contents of name, or nil without an error if it does not exist. A file of more
// than limit bytes is an error.
func Read(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, min(limit, math.MaxInt64-1)+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("atomicfile: %s has more than %d bytes", name, limit)
	}
	return data, nil
}

// Remove removes the file name, if it exists. When it returns nil the file does not come back after a
// crash.
func Remove(name string) error {
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// RemoveTemp removes the temporary files that a crash has left beside name. It must not run at the
// same time as Write for the same name.
func RemoveTemp(name string) error {
	dir, base := filepath.Split(name)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	prefix := tempPrefix(base)
	for _, e := range entries {
		if n := e.Name(); len(n) > len(prefix) && n[:len(prefix)] == prefix && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// steps are the system calls of write, in their order; tests fail each of them in turn.
type steps interface {
	create(dir, pattern string, perm fs.FileMode) (*os.File, error)
	fill(f *os.File, data []byte) error
	sync(f *os.File) error
	close(f *os.File) error
	rename(from, to string) error
	syncDir(dir string) error
}

func write(s steps, name string, data []byte, perm fs.FileMode) (err error) {
	dir, base := filepath.Split(name)
	if dir == "" {
		dir = "."
	}
	f, err := s.create(dir, tempPrefix(base), perm)
	if err != nil {
		return err
	}
	temp := f.Name()
	closed, renamed := false, false
	defer func() {
		if !closed {
			err = errors.Join(err, f.Close())
		}
		if !renamed {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	if err := s.fill(f, data); err != nil {
		return err
	}
	if err := s.sync(f); err != nil { // before the rename: else the name may come to life empty
		return err
	}
	closed = true
	if err := s.close(f); err != nil {
		return err
	}
	if err := s.rename(temp, name); err != nil {
		return err
	}
	renamed = true
	return s.syncDir(dir)
}

func tempPrefix(base string) string { return "." + base + ".tmp" }

// osSteps are the real ones.
type osSteps struct{}

// create makes a file that did not exist, so that an old temporary file or a link planted in its
// place is never written to.
func (osSteps) create(dir, prefix string, perm fs.FileMode) (*os.File, error) {
	for try := 0; ; try++ {
		name := filepath.Join(dir, prefix+randomSuffix())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if err == nil || !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

func (osSteps) fill(f *os.File, data []byte) error { _, err := f.Write(data); return err }
func (osSteps) sync(f *os.File) error              { return f.Sync() }
func (osSteps) close(f *os.File) error             { return f.Close() }
func (osSteps) rename(from, to string) error       { return os.Rename(from, to) }
func (osSteps) syncDir(dir string) error           { return syncDir(dir) }

func randomSuffix() string { return strconv.FormatUint(rand.Uint64(), 36) }
