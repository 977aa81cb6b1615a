package vm

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// sysroot finds files in a tree of unpacked packages.
type sysroot struct {
	dir  string
	libs map[string]string // name of a shared library: its file
}

// openSysroot notes where the shared libraries of the tree are.
func openSysroot(dir string) (*sysroot, error) {
	s := &sysroot{dir: dir, libs: make(map[string]string)}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), ".so") {
			s.libs[d.Name()] = name
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return s, nil
}

// find returns the file called name in the first of the directories that has it.
func (s *sysroot) find(name string, dirs ...string) (string, error) {
	for _, dir := range dirs {
		file := filepath.Join(s.dir, filepath.FromSlash(dir), name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("vm: no package holds %s", name)
}

// program adds a program, under usr/sbin, and all libraries that it needs.
func (s *sysroot) program(t tree, name string) error {
	file, err := s.find(name, "sbin", "usr/sbin", "bin", "usr/bin")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	t.file("usr/sbin/"+name, 0o755, data)
	return s.needs(t, file)
}

// library adds a shared library, under usr/lib, and those that it needs in turn.
func (s *sysroot) library(t tree, name string) error {
	to := "usr/lib/" + name
	if _, ok := t[to]; ok {
		return nil
	}
	file, ok := s.libs[name]
	if !ok {
		return fmt.Errorf("vm: no package holds the library %s", name)
	}
	data, err := os.ReadFile(file) // follows the links that lead from one version's name to another's
	if err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	t.file(to, 0o755, data)
	return s.needs(t, file)
}

// needs adds the libraries and the loader that an executable file names.
func (s *sysroot) needs(t tree, file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("vm: %s: %w", file, err)
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("vm: %s: %w", file, err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		interp := make([]byte, p.Filesz)
		if _, err := p.ReadAt(interp, 0); err != nil {
			return fmt.Errorf("vm: %s: %w", file, err)
		}
		names = append(names, path.Base(strings.TrimRight(string(interp), "\x00")))
	}
	for _, name := range names {
		if err := s.library(t, name); err != nil {
			return err
		}
	}
	return nil
}
