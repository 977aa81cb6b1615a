package main

import (
	"errors"
	"os"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/block"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/backstore/null"
	"github.com/goscst/goscst/backstore/uring"
)

// open opens the store, with an arena of its ring or nil. A note says what is not as the options ask for.
func (s *lunSpec) open(arena *uring.Arena) (store backstore.Backstore, note string, err error) {
	volatile := s.wce == "on"
	switch s.kind {
	case "mem":
		store, err = mem.NewWith(s.size, &mem.Options{BlockSize: s.block, PhysBlockSize: s.phys(), Thick: s.thick, Volatile: volatile})
	case "null":
		store, err = null.NewWith(s.size, &null.Options{BlockSize: s.block, PhysBlockSize: s.phys(), Thick: s.thick, Volatile: volatile, ReadOnly: s.readOnly})
	case "uring":
		store, note, err = s.openRing(arena, func(name string, o *uring.Options) (backstore.Backstore, error) { return uring.Open(name, o) })
	case "block":
		store, err = s.openDevice(false)
	default:
		store, err = s.openFile()
	}
	if err != nil { // store may be a nil pointer in an interface
		return nil, "", err
	}
	return store, note, nil
}

// phys is the size of a physical block in bytes; 0: as the file or device is.
func (s *lunSpec) phys() int {
	if s.physExp < 0 {
		return 0
	}
	return s.block << s.physExp
}

func (s *lunSpec) openFile() (backstore.Backstore, error) {
	return file.Open(s.path, &file.Options{
		Create: s.size > 0 && !s.readOnly, Size: s.size, BlockSize: s.block, PhysBlockSize: s.phys(),
		ReadOnly: s.readOnly, Direct: s.direct, Thick: s.thick,
	})
}

func (s *lunSpec) openDevice(buffered bool) (backstore.Backstore, error) {
	return block.Open(s.path, &block.Options{BlockSize: s.block, ReadOnly: s.readOnly, Buffered: buffered})
}

// openRing opens a file or device with open and, unless it is nil, an arena; without the arena where the system
// does not let it be locked in memory, and without a ring where there is none.
func (s *lunSpec) openRing(arena *uring.Arena, open func(string, *uring.Options) (backstore.Backstore, error)) (store backstore.Backstore, note string, err error) {
	if s.size > 0 || s.thick && !s.isDevice() { // a ring neither makes files, nor makes them longer, nor fills their holes
		f, err := s.openFile()
		if err != nil {
			return nil, "", err
		}
		if err := f.Close(); err != nil {
			return nil, "", err
		}
	}
	o := &uring.Options{BlockSize: s.block, PhysBlockSize: s.phys(), ReadOnly: s.readOnly, Direct: s.direct, Arena: arena}
	store, err = open(s.path, o)
	var none *uring.UnavailableError
	if arena != nil && errors.As(err, &none) {
		note, o.Arena = "without arena: "+none.Error(), nil
		store, err = open(s.path, o)
	}
	if !errors.As(err, &none) {
		return store, note, err
	}
	note = "without io_uring: " + none.Error()
	if s.isDevice() {
		store, err := s.openDevice(!s.direct)
		return store, note, err
	}
	store, err = s.openFile()
	return store, note, err
}

func (s *lunSpec) isDevice() bool {
	st, err := os.Stat(s.path)
	return err == nil && st.Mode()&os.ModeDevice != 0
}
