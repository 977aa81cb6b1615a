package backstore

import (
	"context"
	"errors"
)

// Passthrough forwards everything but Submit to Inner. Embed it in wrappers that leave data and
// addresses alone (tracing, throttling, faults). A wrapper that translates embeds Backstore
// itself and so loses what it does not implement: forgetting a method is slow, never wrong.
//
// Its Geometry lists in Without what Inner lacks, Hide and CapSubmit, so that Caps of the wrapper
// is Caps of Inner less those. A wrapper that has to see all data hides the ways around Readv and
// Writev that it does not override:
//
//	type counted struct {
//		backstore.Passthrough // Hide: backstore.CapReads | backstore.CapWrites
//		reads atomic.Int64
//	}
//
// A wrapper that adds an ability which Inner lacks overrides Geometry as well and takes the bit
// out of Without.
type Passthrough struct {
	Inner Backstore
	Hide  Cap // abilities of Inner that are not forwarded
}

// Sets of abilities that go around Readv and Writev; see Passthrough.Hide.
const (
	CapReads  = CapNowait | CapLend | CapLendMapped | CapVerify | CapCompareAndWrite | CapCopy
	CapWrites = CapNowait | CapFUA | CapUnmap | CapZero | CapWriteSame | CapCompareAndWrite | CapCopy
)

// Geometry is that of Inner, with Without completed.
func (p *Passthrough) Geometry() Geometry {
	g := p.Inner.Geometry()
	g.Without |= CapAll&^Caps(p.Inner) | p.Hide | CapSubmit
	return g
}

// Readv forwards to Inner.
func (p *Passthrough) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return p.Inner.Readv(ctx, iov, off)
}

// Writev forwards to Inner.
func (p *Passthrough) Writev(ctx context.Context, iov [][]byte, off int64) error {
	return p.Inner.Writev(ctx, iov, off)
}

// Close closes Inner.
func (p *Passthrough) Close() error { return p.Inner.Close() }

// Flush forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) Flush(ctx context.Context, off, n int64) error {
	if f, ok := forward[Flusher](p, CapFlush); ok {
		return f.Flush(ctx, off, n)
	}
	return errors.ErrUnsupported
}

// WritevFUA forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if f, ok := forward[FUAWriter](p, CapFUA); ok {
		return f.WritevFUA(ctx, iov, off)
	}
	return errors.ErrUnsupported
}

// Unmap forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) Unmap(ctx context.Context, extents []Extent) error {
	if f, ok := forward[Unmapper](p, CapUnmap); ok {
		return f.Unmap(ctx, extents)
	}
	return errors.ErrUnsupported
}

// WriteZeroes forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if f, ok := forward[Zeroer](p, CapZero); ok {
		return f.WriteZeroes(ctx, off, n, mayUnmap)
	}
	return errors.ErrUnsupported
}

// WriteSame forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) WriteSame(ctx context.Context, block []byte, off, n int64) error {
	if f, ok := forward[WriteSamer](p, CapWriteSame); ok {
		return f.WriteSame(ctx, block, off, n)
	}
	return errors.ErrUnsupported
}

// CompareAndWrite forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) CompareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error {
	if f, ok := forward[CompareAndWriter](p, CapCompareAndWrite); ok {
		return f.CompareAndWrite(ctx, compare, write, off)
	}
	return errors.ErrUnsupported
}

// TryReadv forwards to Inner, or returns ErrWouldBlock.
func (p *Passthrough) TryReadv(iov [][]byte, off int64) error {
	if f, ok := forward[NowaitIO](p, CapNowait); ok {
		return f.TryReadv(iov, off)
	}
	return ErrWouldBlock
}

// TryWritev forwards to Inner, or returns ErrWouldBlock.
func (p *Passthrough) TryWritev(iov [][]byte, off int64) error {
	if f, ok := forward[NowaitIO](p, CapNowait); ok {
		return f.TryWritev(iov, off)
	}
	return ErrWouldBlock
}

// Lend forwards to Inner, or lends nothing.
func (p *Passthrough) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if f, ok := forward[Lender](p, CapLend); ok {
		return f.Lend(off, n, dst)
	}
	return dst, nil, false
}

// LendMapped forwards to Inner, or lends nothing.
func (p *Passthrough) LendMapped(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if f, ok := forward[MapLender](p, CapLendMapped); ok {
		return f.LendMapped(off, n, dst)
	}
	return dst, nil, false
}

// Intact forwards to Inner, or says no.
func (p *Passthrough) Intact() bool {
	f, ok := forward[MapLender](p, CapLendMapped)
	return ok && f.Intact()
}

// Verify forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) Verify(ctx context.Context, off, n int64) error {
	if f, ok := forward[Verifier](p, CapVerify); ok {
		return f.Verify(ctx, off, n)
	}
	return errors.ErrUnsupported
}

// AppendExtents forwards to Inner, or returns errors.ErrUnsupported.
func (p *Passthrough) AppendExtents(ctx context.Context, dst []MappedExtent, off, n int64) ([]MappedExtent, error) {
	if f, ok := forward[ExtentMapper](p, CapExtents); ok {
		return f.AppendExtents(ctx, dst, off, n)
	}
	return dst, errors.ErrUnsupported
}

// CopyRange forwards to Inner, or returns errors.ErrUnsupported. A src that is the Passthrough
// itself reaches Inner as Inner.
func (p *Passthrough) CopyRange(ctx context.Context, dstOff int64, src Backstore, srcOff, n int64) error {
	f, ok := forward[Copier](p, CapCopy)
	if !ok {
		return errors.ErrUnsupported
	}
	if src == Backstore(p) {
		src = p.Inner
	}
	return f.CopyRange(ctx, dstOff, src, srcOff, n)
}

// Notify forwards to Inner; without a Notifier there, fn is never called.
func (p *Passthrough) Notify(fn func(Event)) (stop func()) {
	if f, ok := forward[Notifier](p, CapNotify); ok {
		return f.Notify(fn)
	}
	return func() {}
}

// Identity is that of Inner, or empty.
func (p *Passthrough) Identity() Identity {
	if f, ok := forward[Identifier](p, CapIdentity); ok {
		return f.Identity()
	}
	return Identity{}
}

// forward finds the ability behind p, unless it is hidden. What Inner lists in Without is not
// looked at here: Resolve has left it out, and Inner refuses it by itself.
func forward[T any](p *Passthrough, bit Cap) (T, bool) {
	if p.Hide&bit != 0 {
		var none T
		return none, false
	}
	f, ok := p.Inner.(T)
	return f, ok
}
