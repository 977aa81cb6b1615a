package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/uring"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// lunSpec is what a flag -lun says.
type lunSpec struct {
	text      string // the value itself
	kind      string // mem, file, uring, block or null
	path      string // of a file or device
	size      int64  // bytes; 0: that of the file
	block     int    // bytes; 0: as the file or device is
	physExp   int    // log2 of the logical blocks in a physical one; negative: as the file or device is
	readOnly  bool
	removable bool
	thick     bool
	wce       string // on, off, or "" for what the store is
	direct    bool
	arena     int // bytes of memory for data that the ring knows; 0: none
	workers   int // 0: the engine's default
	depth     int // 0: the engine's default
	serial    string
}

// parseLUN reads a value of -lun. Its errors say what is allowed.
func parseLUN(value string) (lunSpec, error) {
	s := lunSpec{text: value, block: 512, physExp: -1}
	what, options, _ := strings.Cut(value, ",")
	kind, arg, _ := strings.Cut(what, ":")
	s.kind = kind
	var err error
	switch kind {
	case "mem", "null":
		s.size, err = parseSize(arg)
	case "file":
		err = s.parseFile(arg)
	case "uring":
		s.block = 0
		err = s.parseFile(arg)
	case "block":
		s.block, s.path = 0, arg
		if arg == "" {
			err = fmt.Errorf("device %q: block:PATH is allowed", arg)
		}
	default:
		err = fmt.Errorf("kind %q: mem:SIZE, file:PATH[:SIZE], uring:PATH[:SIZE], block:PATH and null:SIZE are allowed", kind)
	}
	if err != nil {
		return s, err
	}
	if len(options) > 0 || strings.HasSuffix(value, ",") {
		for _, o := range strings.Split(options, ",") {
			if err := s.parseOption(o); err != nil {
				return s, err
			}
		}
	}
	return s, s.check()
}

// parseFile reads PATH[:SIZE]. A path may contain colons, as long as what follows the
// last one does not begin with a digit.
func (s *lunSpec) parseFile(arg string) (err error) {
	s.path = arg
	if i := strings.LastIndexByte(arg, ':'); i >= 0 && i+1 < len(arg) && '0' <= arg[i+1] && arg[i+1] <= '9' {
		s.path = arg[:i]
		if s.size, err = parseSize(arg[i+1:]); err != nil {
			return err
		}
	}
	if s.path == "" {
		return fmt.Errorf("file %q: %s:PATH or %s:PATH:SIZE is allowed", arg, s.kind, s.kind)
	}
	return nil
}

// parseOption reads NAME or NAME=VALUE.
func (s *lunSpec) parseOption(option string) (err error) {
	name, value, valued := strings.Cut(option, "=")
	switch name {
	case "ro", "removable", "direct":
		if valued {
			return fmt.Errorf("option %q: %s takes no value", option, name)
		}
	}
	switch name {
	case "blocksize":
		s.block, err = number(option, value, 512, 4096)
		if err == nil && s.block != 512 && s.block != 4096 {
			err = fmt.Errorf("option %q: 512 and 4096 are allowed", option)
		}
	case "physexp":
		s.physExp, err = number(option, value, 0, 15)
	case "ro":
		s.readOnly = true
	case "removable":
		s.removable = true
	case "direct":
		s.direct = true
	case "thin":
		s.thick = value == "off"
		err = onOff(option, value)
	case "wce":
		s.wce = value
		err = onOff(option, value)
	case "arena":
		var n int64
		if n, err = parseSize(value); err == nil && (n < minArena || n > maxArena) {
			err = fmt.Errorf("option %q: 2MiB to 1GiB is allowed", option)
		}
		s.arena = int(n)
	case "workers":
		s.workers, err = number(option, value, 1, 1024)
	case "depth":
		s.depth, err = number(option, value, 1, 65536)
	case "serial":
		s.serial = value
		if len(value) < 1 || len(value) > 64 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			err = fmt.Errorf("option %q: 1 to 64 printable ASCII characters are allowed", option)
		}
	default:
		err = fmt.Errorf("option %q: blocksize=, physexp=, ro, removable, thin=, wce=, direct, arena=, workers=, depth= and serial= are allowed", option)
	}
	return err
}

// Limits of arena=, in bytes.
const (
	minArena = 2 << 20
	maxArena = 1 << 30
)

func number(option, value string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("option %q: %d to %d is allowed", option, lo, hi)
	}
	return n, nil
}

func onOff(option, value string) error {
	if value != "on" && value != "off" {
		return fmt.Errorf("option %q: on and off are allowed", option)
	}
	return nil
}

// check looks at options together and fills in defaults.
func (s *lunSpec) check() error {
	if s.direct && s.kind != "file" && s.kind != "uring" {
		return fmt.Errorf("option \"direct\": only a file is allowed to have it, not %s", s.kind)
	}
	if s.arena != 0 && s.kind != "uring" {
		return fmt.Errorf("option \"arena\": only uring is allowed to have it, not %s", s.kind)
	}
	if s.block == 0 {
		if s.physExp >= 0 {
			return fmt.Errorf("option \"physexp\": it is allowed together with blocksize= for %s", s.kind)
		}
		if s.size%512 != 0 {
			return fmt.Errorf("size %d: a multiple of the block size 512 is allowed", s.size)
		}
		return nil
	}
	if s.size%int64(s.block) != 0 {
		return fmt.Errorf("size %d: a multiple of the block size %d is allowed", s.size, s.block)
	}
	if s.physExp < 0 { // 4 KiB
		s.physExp = 3
		if s.block == 4096 {
			s.physExp = 0
		}
	}
	return nil
}

// lun is a logical unit of the program.
type lun struct {
	lunSpec
	number uint16
	disk   *disk.Disk
	store  backstore.Backstore
	note   string // what people should know of the store
	drive  drive
	arena  *uring.Arena // nil: none
	pool   *sgv.Pool    // of the arena; nil: the engine's
}

// addLUN opens the store and adds its disk to the engine and to the target.
func addLUN(e *engine.Engine, t *engine.Target, number int, s lunSpec) (*lun, error) {
	l := &lun{number: uint16(number)}
	var err error
	if s.arena > 0 {
		switch l.arena, err = uring.NewArena(s.arena); {
		case err == nil:
			l.pool = sgv.NewPool(&sgv.Options{Name: fmt.Sprintf("lun%d", number), Allocator: sgv.Carve(l.arena.Bytes())})
		case !errors.Is(err, errors.ErrUnsupported): // else open says what is missing
			return nil, err
		}
	}
	store, note, err := s.open(l.arena)
	if err != nil {
		return nil, errors.Join(err, l.free())
	}
	s.block = store.Geometry().BlockSize
	l.lunSpec, l.store, l.note = s, store, note
	l.disk = disk.New(store, &disk.Options{
		Serial: s.serial, Removable: s.removable, ReadOnly: s.readOnly, NoThin: s.thick,
		WriteThrough: s.wce == "off", PhysicalExponent: physical(s.physExp),
	})
	d, err := e.AddDevice(fmt.Sprintf("lun%d", number), l.disk, &engine.DeviceOptions{Workers: s.workers, QueueDepth: s.depth, Pool: l.pool})
	if err != nil {
		_ = store.Close() // the error that counts is the first
		return nil, errors.Join(err, l.free())
	}
	return l, t.Map(l.number, d, nil)
}

// free gives the memory for data back, when nothing uses it any more.
func (l *lun) free() error {
	if l.arena == nil {
		return nil
	}
	l.pool.Close()
	return l.arena.Close()
}

// physical is the disk's option for an exponent, where negative is zero, and zero as the store is.
func physical(exp int) int {
	switch {
	case exp == 0:
		return -1
	case exp < 0:
		return 0
	}
	return exp
}

// describe is a line for people.
func (l *lun) describe() string {
	b := []string{l.kind}
	if l.path != "" {
		b = append(b, l.path)
	}
	b = append(b, formatSize(l.store.Geometry().Size)+",", fmt.Sprintf("blocks of %d bytes", l.block))
	for _, o := range []struct {
		set  bool
		text string
	}{{l.readOnly, "read-only"}, {l.removable, "removable"}, {l.direct, "direct"}, {l.arena != nil, "arena"}, {l.thick, "thick"}, {l.wce != "", "write cache " + l.wce}} {
		if o.set {
			b[len(b)-1] += ","
			b = append(b, o.text)
		}
	}
	if l.note != "" {
		b = append(b, "("+l.note+")")
	}
	return strings.Join(b, " ")
}
