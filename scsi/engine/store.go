package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goscst/goscst/internal/atomicfile"
)

// Store keeps small pieces of state over restarts: saved mode pages now, persistent
// reservations with APTPL. Methods may be called concurrently for different keys, and
// may block.
type Store interface {
	// Load returns what was saved under key, and fs.ErrNotExist if nothing was.
	Load(key string) ([]byte, error)
	// Save replaces what is saved under key, durably and all or nothing; nil removes it.
	Save(key string, data []byte) error
}

// Dir is a Store of files in a directory, which it makes when it first saves.
type Dir string

// Load implements Store.
func (d Dir) Load(key string) ([]byte, error) {
	p, err := d.path(key)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(p)
}

// Save implements Store.
func (d Dir) Save(key string, data []byte) error {
	p, err := d.path(key)
	if err != nil {
		return err
	}
	if data == nil {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(p, data, 0o600)
}

// path is the file of a key: a name that no key can use to leave the directory.
func (d Dir) path(key string) (string, error) {
	if key == "" || len(key) > 200 {
		return "", fmt.Errorf("engine: state key of %d bytes, 1 to 200 are allowed", len(key))
	}
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == ':':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return filepath.Join(string(d), b.String()+".state"), nil
}
