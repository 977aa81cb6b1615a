package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goscst/goscst/internal/atomicfile"
)

// Store keeps small pieces of state over restarts: saved mode pages now, persistent
// reservations with APTPL. Methods may be called concurrently for different keys, and
// may block.
type Store interface {
	// Load returns what was saved under key, and an error that wraps fs.ErrNotExist if
	// nothing was.
	Load(key string) ([]byte, error)
	// Save replaces what is saved under key, durably and all or nothing; nil removes it,
	// also if nothing is there. data is the caller's again when Save returns.
	Save(key string, data []byte) error
}

// Dir is a Store of files in a directory, which it makes when it first saves. Each key has
// a file, named after it in a way that no file system confuses with another.
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
		return atomicfile.Remove(p)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(p, data, 0o600)
}

// path is the file of a key: a name that no key can use to leave the directory, without
// letters that some file systems take for others or for more than a name, and short enough
// for all.
func (d Dir) path(key string) (string, error) {
	if key == "" {
		return "", errors.New("engine: a state key is empty")
	}
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	name := b.String() + ".state"
	if len(name) > 200 {
		sum := sha256.Sum256([]byte(key))
		name = fmt.Sprintf("%s_%x.hash", name[:100], sum)
	}
	return filepath.Join(string(d), name), nil
}
