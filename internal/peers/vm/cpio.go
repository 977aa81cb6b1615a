package vm

import (
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"
)

// entry is a file of a root file system.
type entry struct {
	mode fs.FileMode // type and permissions; devices are character devices
	data []byte      // contents, or the target of a symbolic link
	dev  [2]uint32   // major and minor number of a device
}

// tree maps slash-separated paths, without a leading slash, to files.
type tree map[string]entry

// file adds a file and the directories that lead to it.
func (t tree) file(name string, perm fs.FileMode, data []byte) {
	t.parents(name)
	t[name] = entry{mode: perm, data: data}
}

// link adds a symbolic link.
func (t tree) link(name, target string) {
	t.parents(name)
	t[name] = entry{mode: fs.ModeSymlink | 0o777, data: []byte(target)}
}

// dir adds a directory and those that lead to it.
func (t tree) dir(name string) {
	if _, ok := t[name]; !ok {
		t.parents(name)
		t[name] = entry{mode: fs.ModeDir | 0o755}
	}
}

// device adds a character device.
func (t tree) device(name string, major, minor uint32) {
	t.parents(name)
	t[name] = entry{mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, dev: [2]uint32{major, minor}}
}

func (t tree) parents(name string) {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		t.dir(name[:i])
	}
}

// writeCPIO writes the tree as an archive in the "newc" format, which the kernel unpacks as its
// first root file system. Names come in order, so a directory comes before what is in it.
func (t tree) writeCPIO(w io.Writer) error {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		if err := writeCPIOEntry(w, uint32(i+1), name, t[name]); err != nil {
			return err
		}
	}
	return writeCPIOEntry(w, 0, "TRAILER!!!", entry{})
}

// writeCPIOEntry writes a header of thirteen hexadecimal fields, the name and the contents, the
// latter two padded to a multiple of four bytes.
func writeCPIOEntry(w io.Writer, inode uint32, name string, e entry) error {
	links := uint32(1)
	if e.mode.IsDir() {
		links = 2
	}
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, unixMode(e.mode), 0, 0, links, 0, len(e.data), 0, 0, e.dev[0], e.dev[1], len(name)+1, 0)
	head := header + name + "\x00"
	head += strings.Repeat("\x00", -len(head)&3)
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	if _, err := w.Write(e.data); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, -len(e.data)&3))
	return err
}

// unixMode returns the mode with the type bits that Unix uses.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	switch {
	case m.IsDir():
		return bits | 0o040000
	case m&fs.ModeSymlink != 0:
		return bits | 0o120000
	case m&fs.ModeCharDevice != 0:
		return bits | 0o020000
	}
	return bits | 0o100000
}
