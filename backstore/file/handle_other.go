//go:build !linux

package file

import (
	"errors"
	"os"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// handle is the open file.
type handle struct {
	osfile.File
	unit int // bytes; holes, which there are none of, consist of them
}

func openFlags(opts *Options) (int, error) {
	if opts.Direct {
		return 0, errors.New("file: no direct I/O on this system")
	}
	if opts.WriteThrough && !opts.ReadOnly {
		return os.O_SYNC, nil
	}
	return 0, nil
}

func (h *handle) init(f *os.File, _ int, opts *Options) error {
	h.Init(f)
	h.ReadOnly, h.unit = opts.ReadOnly, 4096
	_, err := openFlags(opts)
	return err
}

// probe tells what cannot be done.
func (h *handle) probe(backstore.Geometry) (backstore.Cap, error) {
	return backstore.CapFUA | backstore.CapUnmap | backstore.CapZero | backstore.CapNowait | backstore.CapLendMapped | backstore.CapExtents, nil
}

func (h *handle) truncate(size int64) error { return h.F.Truncate(size) }
func (h *handle) allocate(_, _ int64) error { return errors.ErrUnsupported }

// Free and Zero are not offered here.
func (h *handle) Free(_, _ int64) error { return errors.ErrUnsupported }
func (h *handle) Zero(_, _ int64) error { return errors.ErrUnsupported }

func (h *handle) nextHole(_, _ int64) (from, to int64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// syncDir does nothing: whether a directory can be flushed differs between systems.
func syncDir(string) error { return nil }
