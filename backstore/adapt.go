package backstore

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// ReaderWriterAt is what FromReaderWriterAt makes a store of. Both methods must be safe for
// concurrent use also where ranges overlap, which io.WriterAt does not ask for: of two writes to one
// block one wins as a whole.
type ReaderWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// adaptChunk is how many bytes an adapted store moves between two looks at the context.
const adaptChunk = 1 << 20

// FromReaderWriterAt makes a store of anything with io.ReaderAt and io.WriterAt (*os.File …).
// If rw has a method Sync() error, as *os.File has, the store is a Flusher. If rw is an io.Closer,
// Close closes it. Fewer bytes than asked for are an error, also at the end of a file that is
// shorter than g.Size. An invalid g shows as an error of every call.
func FromReaderWriterAt(rw ReaderWriterAt, g Geometry) Backstore { return newAdapter(rw, rw, g) }

// FromReaderAt makes a read-only store of r; g.ReadOnly is set. See FromReaderWriterAt.
func FromReaderAt(r io.ReaderAt, g Geometry) Backstore {
	g.ReadOnly = true
	return newAdapter(r, nil, g)
}

// adapter is a store on top of ReadAt and WriteAt.
type adapter struct {
	r       io.ReaderAt
	w       io.WriterAt // nil: read-only
	sync    interface{ Sync() error }
	geo     Geometry
	invalid error // what is wrong with geo
	closed  atomic.Bool
}

func newAdapter(r io.ReaderAt, w io.WriterAt, g Geometry) *adapter {
	a := &adapter{r: r, w: w, geo: g, invalid: g.Validate()}
	if s, ok := r.(interface{ Sync() error }); ok && w != nil {
		a.sync = s
	} else {
		a.geo.Without |= CapFlush
	}
	return a
}

func (a *adapter) Geometry() Geometry { return a.geo }

func (a *adapter) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := a.check(iov, off); err != nil {
		return err
	}
	return eachChunk(ctx, iov, off, func(b []byte, off int64) error {
		n, err := a.r.ReadAt(b, off)
		switch {
		case n == len(b): // io.ReaderAt may add io.EOF when it ends at the end
			return nil
		case err == nil || errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		}
		return err
	})
}

func (a *adapter) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := a.check(iov, off); err != nil {
		return err
	}
	if a.w == nil || a.geo.ReadOnly {
		return ErrReadOnly
	}
	w := blockwise{iov: iov, size: a.geo.BlockSize}
	for b := w.next(); len(b) > 0; b = w.next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := a.w.WriteAt(b, off)
		if err != nil {
			return err
		}
		if n != len(b) {
			return io.ErrShortWrite
		}
		off += int64(n)
	}
	return nil
}

// Flush calls Sync, which flushes everything.
func (a *adapter) Flush(ctx context.Context, off, n int64) error {
	if err := a.ready(); err != nil {
		return err
	}
	if err := a.geo.CheckRange(off, n); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.sync == nil {
		return errors.ErrUnsupported
	}
	return a.sync.Sync()
}

func (a *adapter) Close() error {
	if a.closed.Swap(true) {
		return nil
	}
	if c, ok := a.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (a *adapter) ready() error {
	if a.closed.Load() {
		return ErrClosed
	}
	return a.invalid
}

func (a *adapter) check(iov [][]byte, off int64) error {
	if err := a.ready(); err != nil {
		return err
	}
	_, err := a.geo.CheckIO(iov, off)
	return err
}

// eachChunk calls move for pieces of iov until one fails or ctx is done. Nothing moves after ctx
// is done, and a piece in progress is waited for: no I/O touches iov after the return.
func eachChunk(ctx context.Context, iov [][]byte, off int64, move func(b []byte, off int64) error) error {
	for _, b := range iov {
		for len(b) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(len(b), adaptChunk)
			if err := move(b[:n], off); err != nil {
				return err
			}
			b, off = b[n:], off+int64(n)
		}
	}
	return nil
}

// blockwise walks through a vector in pieces of whole blocks, so that no block is written in two
// steps.
type blockwise struct {
	iov     [][]byte // what is left
	at      int      // in iov[0]
	size    int      // of a block
	scratch []byte   // one block that the vector splits
}

// next returns the next piece: part of an element, or one block gathered from several. It is empty
// at the end.
func (w *blockwise) next() []byte {
	for len(w.iov) > 0 && w.at == len(w.iov[0]) {
		w.iov, w.at = w.iov[1:], 0
	}
	if len(w.iov) == 0 {
		return nil
	}
	if b := w.iov[0][w.at:]; len(b) >= w.size {
		n := min(len(b), adaptChunk) &^ (w.size - 1)
		w.at += n
		return b[:n]
	}
	if w.scratch == nil {
		w.scratch = make([]byte, w.size)
	}
	n := 0
	for n < w.size && len(w.iov) > 0 {
		k := copy(w.scratch[n:], w.iov[0][w.at:])
		n, w.at = n+k, w.at+k
		if w.at == len(w.iov[0]) {
			w.iov, w.at = w.iov[1:], 0
		}
	}
	return w.scratch[:n]
}
