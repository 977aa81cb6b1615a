package local

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/scsi"
)

// Disk is a logical unit with blocks as random-access bytes: an io.ReaderAt and
// io.WriterAt. Its methods may be called from any goroutine and wait for the logical unit.
//
// Offsets and lengths need no alignment. A write that covers a block in part reads the
// block, changes it and writes it back, which is atomic among the calls of one Disk
// only: use one Disk, or aligned writes, where several writers share blocks.
//
// Transfers are split at the maximum transfer length of the logical unit, one command
// after the other. Unit attentions are taken and the command repeated; after a change of
// capacity Size is new. A command that finds the queue full or the unit busy is
// repeated for some seconds.
type Disk struct {
	i     *Initiator
	lun   uint16
	block int // bytes
	chunk int // bytes of the longest transfer; whole blocks
	size  atomic.Int64

	unmap  unmapLimits
	edges  [16]sync.Mutex // of blocks, by LBA modulo 16: who changes one in part
	blocks sync.Pool      // *[]byte of one block
}

// defaultChunk is the longest transfer, in bytes, to a logical unit without a limit.
const defaultChunk = 1 << 20

// Disk opens a logical unit of the initiator's target. It fails if that is not ready or
// has no blocks.
func (i *Initiator) Disk(ctx context.Context, lun uint16) (*Disk, error) {
	d := &Disk{i: i, lun: lun}
	if err := i.WaitReady(ctx, lun); err != nil {
		return nil, fmt.Errorf("local: LUN %d: %w", lun, err)
	}
	if err := d.capacity(ctx); err != nil {
		return nil, fmt.Errorf("local: LUN %d: %w", lun, err)
	}
	if err := d.limits(ctx); err != nil {
		return nil, fmt.Errorf("local: LUN %d: %w", lun, err)
	}
	d.blocks.New = func() any {
		b := make([]byte, d.block)
		return &b
	}
	return d, nil
}

// Size is the length in bytes, as last seen.
func (d *Disk) Size() int64 { return d.size.Load() }

// BlockSize is the length of a logical block in bytes.
func (d *Disk) BlockSize() int { return d.block }

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	return d.ReadContext(context.Background(), p, off)
}

// WriteAt implements io.WriterAt. A write beyond the end is refused as a whole.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	return d.WriteContext(context.Background(), p, off)
}

// ReadContext is ReadAt until ctx is done; p is not touched after it has returned.
func (d *Disk) ReadContext(ctx context.Context, p []byte, off int64) (n int, err error) {
	size := d.Size()
	switch {
	case off < 0:
		return 0, ErrOutOfRange
	case off >= size:
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > size-off {
		p, end = p[:size-off], io.EOF
	}
	for n < len(p) {
		step, whole := d.step(off+int64(n), len(p)-n)
		if whole {
			err = d.transfer(ctx, scsi.OpRead16, off+int64(n), nil, p[n:n+step])
		} else {
			err = d.readPart(ctx, p[n:n+step], off+int64(n))
		}
		if err != nil {
			return n, err
		}
		n += step
	}
	return n, end
}

// WriteContext is WriteAt until ctx is done; p is not read after it has returned.
func (d *Disk) WriteContext(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 || int64(len(p)) > d.Size()-off {
		return 0, ErrOutOfRange
	}
	for n < len(p) {
		step, whole := d.step(off+int64(n), len(p)-n)
		if whole {
			err = d.transfer(ctx, scsi.OpWrite16, off+int64(n), p[n:n+step], nil)
		} else {
			err = d.writePart(ctx, p[n:n+step], off+int64(n))
		}
		if err != nil {
			return n, err
		}
		n += step
	}
	return n, nil
}

// Sync makes what has been written durable: SYNCHRONIZE CACHE(16) of the whole unit.
func (d *Disk) Sync(ctx context.Context) error {
	_, err := d.command(ctx, []byte{byte(scsi.OpSynchronizeCache16), 15: 0}, nil, nil)
	return err
}

// step is how many of the next n bytes at off go in one command, and whether they are
// whole blocks.
func (d *Disk) step(off int64, n int) (step int, whole bool) {
	head := int(off % int64(d.block))
	if head == 0 && n >= d.block {
		return min(n-n%d.block, d.chunk), true
	}
	return min(n, d.block-head), false
}

// readPart reads within one block.
func (d *Disk) readPart(ctx context.Context, p []byte, off int64) error {
	b := d.blocks.Get().(*[]byte)
	defer d.blocks.Put(b)
	head := int(off % int64(d.block))
	if err := d.transfer(ctx, scsi.OpRead16, off-int64(head), nil, *b); err != nil {
		return err
	}
	copy(p, (*b)[head:])
	return nil
}

// writePart changes a part of one block.
func (d *Disk) writePart(ctx context.Context, p []byte, off int64) error {
	b := d.blocks.Get().(*[]byte)
	defer d.blocks.Put(b)
	head := int(off % int64(d.block))
	start := off - int64(head)
	edge := &d.edges[start/int64(d.block)%int64(len(d.edges))]
	edge.Lock()
	defer edge.Unlock()
	if err := d.transfer(ctx, scsi.OpRead16, start, nil, *b); err != nil {
		return err
	}
	copy((*b)[head:], p)
	return d.transfer(ctx, scsi.OpWrite16, start, *b, nil)
}

// transfer is one READ(16) or WRITE(16) of whole blocks.
func (d *Disk) transfer(ctx context.Context, op scsi.Opcode, off int64, out, in []byte) error {
	lba := uint64(off / int64(d.block))
	blocks := uint32((len(out) + len(in)) / d.block)
	var cdb [16]byte
	if op == scsi.OpRead16 {
		scsi.AppendRead16(cdb[:0], lba, blocks)
	} else {
		scsi.AppendWrite16(cdb[:0], lba, blocks)
	}
	r, err := d.command(ctx, cdb[:], out, in)
	if err == nil && r.Residual != 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}
