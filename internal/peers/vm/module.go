package vm

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// modules finds kernel modules in an unpacked kernel package.
type modules struct {
	files   map[string]string // module name: file
	builtin map[string]bool
}

// openModules reads the list of modules of the kernel unpacked in dir.
func openModules(dir string) (*modules, error) {
	m := &modules{files: make(map[string]string), builtin: make(map[string]bool)}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if d.Name() == "modules.builtin" {
			list, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, line := range strings.Fields(string(list)) {
				m.builtin[moduleName(line)] = true
			}
		} else if strings.Contains(d.Name(), ".ko") {
			m.files[moduleName(name)] = name
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return m, nil
}

// moduleName returns the name that the kernel gives to the module in a file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// module is a module to load.
type module struct {
	name string
	data []byte
}

// load returns the modules to load, in order, so that those named work. Those that are part of
// the kernel itself are left out.
func (m *modules) load(ctx context.Context, names ...string) ([]module, error) {
	var order []module
	seen := make(map[string]bool)
	var add func(name string) error
	add = func(name string) error {
		if seen[name] || m.builtin[name] {
			return nil
		}
		seen[name] = true
		file, ok := m.files[name]
		if !ok {
			return fmt.Errorf("vm: the kernel has no module %s", name)
		}
		data, err := readModule(ctx, file)
		if err != nil {
			return err
		}
		deps, err := dependencies(data)
		if err != nil {
			return fmt.Errorf("vm: module %s: %w", name, err)
		}
		for _, d := range deps {
			if err := add(d); err != nil {
				return err
			}
		}
		order = append(order, module{name, data})
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// readModule returns the contents of a module's file, which may be compressed.
func readModule(ctx context.Context, file string) ([]byte, error) {
	if strings.HasSuffix(file, ".xz") {
		out, err := output(ctx, "", "xz", "-dc", file)
		return []byte(out), err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return data, nil
}

// dependencies returns the modules that a module says it needs.
func dependencies(data []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	info := f.Section(".modinfo")
	if info == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	text, err := info.Data()
	if err != nil {
		return nil, err
	}
	return parseDepends(text), nil
}

// parseDepends reads the zero-terminated KEY=VALUE list of a module.
func parseDepends(info []byte) []string {
	for _, item := range bytes.Split(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(item), "depends="); ok {
			names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
			for i := range names {
				names[i] = strings.ReplaceAll(names[i], "-", "_")
			}
			return names
		}
	}
	return nil
}
