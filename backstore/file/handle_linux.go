package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// handle is the open file and what its file system can do.
type handle struct {
	osfile.File
	unit     int  // bytes in a block of the file system
	coherent bool // a file system whose mappings show at once what is written
}

// openFlags are those of open(2) that the options ask for.
func openFlags(opts *Options) (int, error) {
	flags := 0
	if opts.Direct {
		flags |= unix.O_DIRECT
	}
	if opts.WriteThrough && !opts.ReadOnly {
		flags |= unix.O_DSYNC
	}
	return flags, nil
}

func (h *handle) init(f *os.File, blockSize int, opts *Options) error {
	h.Init(f)
	h.BlockSize = blockSize
	h.Direct, h.DSync, h.ReadOnly = opts.Direct, opts.WriteThrough, opts.ReadOnly
	var st unix.Stat_t
	if err := unix.Fstat(h.FD, &st); err != nil {
		return fmt.Errorf("file: looking at %s: %w", f.Name(), err)
	}
	if h.unit = int(st.Blksize); h.unit <= 0 {
		h.unit = 4096
	}
	if err := h.checkFlags(opts); err != nil {
		return err
	}
	h.coherent = coherentFS(h.FileSystem(), opts.ReadOnly)
	if !h.Direct {
		return nil
	}
	switch n, known := h.DirectUnit(); {
	case known && n == 0:
		return fmt.Errorf("file: %s does not support direct I/O", f.Name())
	case known && blockSize%n != 0:
		return fmt.Errorf("file: direct I/O on %s needs blocks of %d bytes, not %d", f.Name(), n, blockSize)
	}
	return nil
}

// checkFlags compares how the file was opened with what the options promise.
func (h *handle) checkFlags(opts *Options) error {
	flags, err := unix.FcntlInt(uintptr(h.FD), unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("file: looking at %s: %w", h.F.Name(), err)
	}
	writable := flags&unix.O_ACCMODE == unix.O_RDWR
	switch {
	case flags&unix.O_ACCMODE == unix.O_WRONLY, !writable && !opts.ReadOnly:
		return fmt.Errorf("file: %s is not open for reading and writing", h.F.Name())
	case opts.Direct != (flags&unix.O_DIRECT != 0):
		return fmt.Errorf("file: Direct does not fit how %s is open", h.F.Name())
	case opts.WriteThrough && writable && flags&unix.O_DSYNC == 0:
		return fmt.Errorf("file: %s is not open with O_DSYNC", h.F.Name())
	case flags&unix.O_APPEND != 0:
		return fmt.Errorf("file: %s is open for appending", h.F.Name())
	}
	return nil
}

// probe tries what may be missing, without changing anything, and returns what is.
func (h *handle) probe(g backstore.Geometry) (backstore.Cap, error) {
	var without backstore.Cap
	if g.Size > 0 {
		if h.Direct { // the system may have its own idea of alignment
			err := h.Probe(g.Size-int64(g.BlockSize), g.BlockSize)
			if errors.Is(err, unix.EINVAL) {
				return 0, fmt.Errorf("file: direct I/O on %s does not work with blocks of %d bytes", h.F.Name(), g.BlockSize)
			}
			if err != nil {
				return 0, fmt.Errorf("file: reading %s: %w", h.F.Name(), err)
			}
		}
		if !h.CanNowait() {
			without |= backstore.CapNowait
		}
	}
	st, err := h.F.Stat()
	if err != nil {
		return 0, fmt.Errorf("file: looking at %s: %w", h.F.Name(), err)
	}
	if !g.Without.Has(backstore.CapLendMapped) && !h.mappable(st.Size()) {
		without |= backstore.CapLendMapped
	}
	if !g.ReadOnly && !h.CanPunch(st.Size(), int64(h.unit)) {
		without |= backstore.CapUnmap
	}
	if _, err := unix.Seek(h.FD, 0, unix.SEEK_HOLE); err != nil && g.Size > 0 {
		without |= backstore.CapExtents
	}
	return without, nil
}

func (h *handle) truncate(size int64) error {
	return osfile.Retry(func() error { return unix.Ftruncate(h.FD, size) })
}

func (h *handle) allocate(off, n int64) error { return h.Fallocate(0, off, n) }

// nextHole returns the first hole at or after off, cut to end; [end, end) if there is none.
func (h *handle) nextHole(off, end int64) (from, to int64, err error) {
	from, err = unix.Seek(h.FD, off, unix.SEEK_HOLE)
	if errors.Is(err, unix.ENXIO) || err == nil && from >= end { // ENXIO: off is behind the end by now
		return end, end, nil
	}
	if err != nil {
		return 0, 0, noSeek(err)
	}
	to, err = unix.Seek(h.FD, from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && to > end {
		return from, end, nil
	}
	return from, to, noSeek(err)
}

// noSeek makes the answer of a file system without SEEK_HOLE one that asks for the emulation.
func noSeek(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return errors.ErrUnsupported
	}
	return osfile.MapError(err)
}

// syncDir makes the name of a new file durable.
func syncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // the file system cannot, or need not
		err = nil
	}
	return errors.Join(err, d.Close())
}
