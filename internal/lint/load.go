package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// maxTreeFile bounds the files whose contents are read; larger ones are test data.
const maxTreeFile = 4 << 20

// Load reads the module that contains dir. It runs "go list", for what belongs to the module, and
// git, for what is under version control; without a git work tree it takes every file it finds.
func Load(dir string) (*Repo, error) {
	root, err := moduleRoot(dir)
	if err != nil {
		return nil, err
	}
	module, dirs, err := listPackages(root)
	if err != nil {
		return nil, err
	}
	names, err := listTree(root)
	if err != nil {
		return nil, err
	}
	if err := readDirs(root, names); err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return nil, fmt.Errorf("lint: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxTreeFile {
			files[name] = nil
			continue
		}
		if files[name], err = os.ReadFile(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			return nil, fmt.Errorf("lint: %w", err)
		}
	}
	r, err := NewRepo(module, files, dirs)
	if err != nil {
		return nil, err
	}
	r.Requires, err = directRequires(filepath.Join(root, "go.mod"))
	return r, err
}

// moduleRoot returns the directory of the go.mod that governs dir.
func moduleRoot(dir string) (string, error) {
	out, err := run(dir, "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", fmt.Errorf("lint: %s is not in a module", dir)
	}
	return filepath.Dir(mod), nil
}

// listPackages returns the module path and the directories of its packages, relative to root.
func listPackages(root string) (module string, dirs []string, err error) {
	out, err := run(root, "go", "list", "-e", "-json=ImportPath,Dir,Module", "./...")
	if err != nil {
		return "", nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			Dir    string
			Module *struct{ Path string }
		}
		if err := dec.Decode(&p); err == io.EOF {
			return module, dirs, nil
		} else if err != nil {
			return "", nil, fmt.Errorf("lint: go list: %w", err)
		}
		rel, err := filepath.Rel(root, p.Dir)
		if err != nil || p.Module == nil {
			return "", nil, fmt.Errorf("lint: go list names %s, which is not of this module", p.Dir)
		}
		module = p.Module.Path
		dirs = append(dirs, filepath.ToSlash(rel))
	}
}

// listTree returns the files below root that are under version control or about to be.
func listTree(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return walkTree(root)
	}
	out, err := run(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

func walkTree(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	return names, nil
}

// readDirs opens every directory that holds one of the files. The go command then knows that the
// result of a test depends on what is in them, and does not show an old one when a file is added.
func readDirs(root string, names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		for dir := path.Dir(name); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			_, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("lint: %w", err)
			}
		}
	}
	return nil
}

// directRequires returns the modules that the go.mod file requires directly.
func directRequires(gomod string) ([]string, error) {
	out, err := run(filepath.Dir(gomod), "go", "mod", "edit", "-json", gomod)
	if err != nil {
		return nil, err
	}
	var m struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("lint: go mod edit: %w", err)
	}
	var list []string
	for _, q := range m.Require {
		if !q.Indirect {
			list = append(list, q.Path)
		}
	}
	return list, nil
}

// run returns the standard output of a command run in dir; its error carries the standard error.
func run(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("lint: %s %s: %w\n%s", name, args[0], err, stderr.Bytes())
	}
	return out, nil
}
