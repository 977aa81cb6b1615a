package backstoretest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"

	"github.com/goscst/goscst/backstore"
)

// device does what the disk handler does: it uses an ability where the store has it and where
// the call is not refused with errors.ErrUnsupported, and emulates it otherwise.
type device struct {
	b backstore.Backstore
	a backstore.Abilities
}

// native uses all abilities of b, emulated none.
func native(b backstore.Backstore) *device   { return &device{b: b, a: backstore.Resolve(b)} }
func emulated(b backstore.Backstore) *device { return &device{b: b} }

func (d *device) read(ctx context.Context, iov [][]byte, off int64) error {
	if d.a.Nowait != nil {
		if err := d.a.Nowait.TryReadv(iov, off); !errors.Is(err, backstore.ErrWouldBlock) {
			return err
		}
	}
	return d.b.Readv(ctx, iov, off)
}

func (d *device) write(ctx context.Context, iov [][]byte, off int64) error {
	if d.a.Nowait != nil {
		if err := d.a.Nowait.TryWritev(iov, off); !errors.Is(err, backstore.ErrWouldBlock) {
			return err
		}
	}
	return d.b.Writev(ctx, iov, off)
}

func (d *device) flush(ctx context.Context, off, n int64) error {
	if d.a.Flusher == nil {
		return nil
	}
	return ignoreUnsupported(d.a.Flusher.Flush(ctx, off, n))
}

func (d *device) writeFUA(ctx context.Context, iov [][]byte, off int64) error {
	if d.a.FUAWriter != nil {
		if err := d.a.FUAWriter.WritevFUA(ctx, iov, off); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if err := d.b.Writev(ctx, iov, off); err != nil {
		return err
	}
	return d.flush(ctx, off, backstore.Len(iov))
}

// unmap of a store that is not an Unmapper does not exist; writing zeroes is what it must equal.
func (d *device) unmap(ctx context.Context, extents []backstore.Extent) error {
	if d.a.Unmapper != nil {
		if err := d.a.Unmapper.Unmap(ctx, extents); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for _, e := range extents {
		if err := d.zero(ctx, e.Off, e.Len, true); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) zero(ctx context.Context, off, n int64, mayUnmap bool) error {
	if d.a.Zeroer != nil {
		if err := d.a.Zeroer.WriteZeroes(ctx, off, n, mayUnmap); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return d.repeat(ctx, make([]byte, d.b.Geometry().BlockSize), off, n)
}

func (d *device) writeSame(ctx context.Context, block []byte, off, n int64) error {
	if d.a.WriteSamer != nil {
		if err := d.a.WriteSamer.WriteSame(ctx, block, off, n); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return d.repeat(ctx, block, off, n)
}

func (d *device) repeat(ctx context.Context, block []byte, off, n int64) error {
	chunk := bytes.Repeat(block, int(max(1, min(n, maxIO(d.b.Geometry()), 64<<10)/int64(len(block)))))
	for n > 0 {
		part := chunk[:min(n, int64(len(chunk)))]
		if err := d.b.Writev(ctx, [][]byte{part}, off); err != nil {
			return err
		}
		off, n = off+int64(len(part)), n-int64(len(part))
	}
	return nil
}

// compareAndWrite is not atomic when it is emulated: the suite calls it from one goroutine then.
func (d *device) compareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error {
	if d.a.CompareAndWriter != nil {
		if err := d.a.CompareAndWriter.CompareAndWrite(ctx, compare, write, off); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	want := bytes.Join(compare, nil)
	got := make([]byte, len(want))
	if err := d.b.Readv(ctx, [][]byte{got}, off); err != nil {
		return err
	}
	for i := range want {
		if want[i] != got[i] {
			return &backstore.MiscompareError{Offset: int64(i)}
		}
	}
	return d.b.Writev(ctx, write, off)
}

// lend returns a copy of what the store lends, or reads it.
func (d *device) lend(ctx context.Context, off, n int64) ([]byte, error) {
	if d.a.Lender != nil {
		if iov, release, ok := d.a.Lender.Lend(off, n, nil); ok {
			data := bytes.Join(iov, nil)
			release()
			return data, nil
		}
	}
	if d.a.MapLender != nil && d.a.MapLender.Intact() {
		if iov, release, ok := d.a.MapLender.LendMapped(off, n, nil); ok {
			defer release()
			return throughSystem(iov)
		}
	}
	data := make([]byte, n)
	return data, d.b.Readv(ctx, [][]byte{data}, off)
}

func (d *device) copyRange(ctx context.Context, dstOff, srcOff, n int64) error {
	if d.a.Copier != nil {
		if err := d.a.Copier.CopyRange(ctx, dstOff, d.b, srcOff, n); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	data := make([]byte, n)
	if err := d.b.Readv(ctx, [][]byte{data}, srcOff); err != nil {
		return err
	}
	return d.b.Writev(ctx, [][]byte{data}, dstOff)
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func notBlocked(err error) error {
	if errors.Is(err, backstore.ErrWouldBlock) {
		return nil
	}
	return err
}

// randomRange is a range of blocks in w that one call may move, relative to w.
func randomRange(rng *rand.Rand, g backstore.Geometry, w backstore.Extent) (at, n int64) {
	bs := int64(g.BlockSize)
	blocks := w.Len / bs
	count := 1 + rng.Int64N(min(blocks, maxIO(g)/bs))
	if rng.IntN(2) == 0 {
		count = min(count, 1+rng.Int64N(16))
	}
	return rng.Int64N(blocks-count+1) * bs, count * bs
}

// randFrom makes a generator for a goroutine.
func randFrom(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
