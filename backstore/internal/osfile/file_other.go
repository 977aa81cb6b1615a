//go:build !linux

package osfile

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/goscst/goscst/backstore"
)

// bufferSize is how much is gathered for one call, in bytes.
const bufferSize = 256 << 10

// File is an open file. There are no vectors, so that what is not one piece is copied together: a
// block must not be written in two steps. Its methods are safe for concurrent use.
type File struct {
	F        *os.File
	ReadOnly bool // not open for writing

	// Datasync makes what was written durable; tests have it fail.
	Datasync func() error

	buffers sync.Pool // of *[]byte
}

// Init takes f over.
func (f *File) Init(file *os.File) { f.F, f.Datasync = file, file.Sync }

// OpenApart does nothing.
func (f *File) OpenApart() {}

// Apart is false: Datasync works on F.
func (f *File) Apart() bool { return false }

// Close closes what is open.
func (f *File) Close() error { return f.F.Close() }

// Transfer moves all of iov, or fails. WriteSync always fails with errors.ErrUnsupported.
func (f *File) Transfer(ctx context.Context, kind Kind, iov [][]byte, off int64) error {
	if kind == WriteSync {
		return errors.ErrUnsupported
	}
	if len(iov) == 1 {
		return f.all(ctx, kind, iov[0], off)
	}
	buf, _ := f.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, bufferSize)
		buf = &b
	}
	defer f.buffers.Put(buf)
	c := Cursor{Iov: iov}
	for left := c.Left(); left > 0; {
		part := (*buf)[:min(left, bufferSize)]
		if kind == Write {
			c.Gather(part)
		}
		if err := f.all(ctx, kind, part, off); err != nil {
			return err
		}
		if kind == Read {
			c.Scatter(part)
		}
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return nil
}

// all moves all of b.
func (f *File) all(ctx context.Context, kind Kind, b []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b) == 0 {
		return nil
	}
	if kind == Read {
		n, err := f.F.ReadAt(b, off)
		switch {
		case n == len(b):
			return nil
		case errors.Is(err, io.EOF):
			return kind.stuck()
		}
		return MapError(err)
	}
	_, err := f.F.WriteAt(b, off)
	return MapError(err)
}

// TryRead always returns backstore.ErrWouldBlock.
func (f *File) TryRead([][]byte, int64) error { return backstore.ErrWouldBlock }

// TryWrite always returns backstore.ErrWouldBlock.
func (f *File) TryWrite([][]byte, int64) error { return backstore.ErrWouldBlock }
