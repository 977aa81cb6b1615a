package disk

import (
	"bytes"
	"context"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// nativeChunk is how many bytes a store changes by one call of a native ability; the
// command's abort is looked at in between.
const nativeChunk = 64 << 20

// writeSame is WRITE SAME(10) and (16) (SBC-4 5.52, 5.53). With UNMAP, zeroes may be
// unmapped, because unmapped blocks read as zeroes (LBPRZ); other data is written all the
// same (SBC-4 4.7.3.4.4).
func (d *Disk) writeSame(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	cdb := c.CDB()
	w, err := sbc.ParseWriteSame(cdb)
	if err != nil {
		return err
	}
	lba, blocks := c.LBA(), uint64(c.Blocks())
	size := m.blocks.Load()
	if err := checkRange(size, lba, blocks); err != nil {
		return err
	}
	rest := size - lba
	rules := sbc.WriteSameRules{Unmap: d.thin, Max: d.maxWriteSame}
	if err := w.Check(cdb, &rules, c.Blocks(), rest); err != nil {
		return err
	}
	if blocks == 0 {
		blocks = rest
	}
	var block []byte // nil: zeroes
	if !w.NDOB {
		if !exactData(c, d.blockSize) {
			return scsi.InvalidCommandIUField
		}
		block = make([]byte, d.blockSize)
		if _, err := c.Data().ReadAt(block, 0); err != nil {
			return d.sense(c, err, writing, lba)
		}
		if allZero(block) {
			block = nil
		}
	}
	if blocks == 0 {
		return nil
	}
	guard, err := d.lock.LockShared(c.Context(), lba, blocks)
	if err != nil {
		return d.sense(c, err, writing, lba)
	}
	defer guard.Unlock()
	ctx, off, n := c.Context(), int64(lba)<<d.shift, int64(blocks)<<d.shift
	if block == nil {
		err = d.zero(ctx, m, off, n, w.Unmap)
	} else {
		err = d.repeat(ctx, m, block, off, n)
	}
	if err == nil {
		err = d.settle(ctx, m, off, n)
	}
	return d.sense(c, err, writing, lba)
}

// zero makes a range read as zeroes, by freeing its blocks if mayUnmap allows it. The
// blocks are locked; the caller settles.
func (d *Disk) zero(ctx context.Context, m *medium, off, n int64, mayUnmap bool) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := m.nativeChunk(n)
		if err := d.zeroChunk(ctx, m, off, k, mayUnmap); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

func (d *Disk) zeroChunk(ctx context.Context, m *medium, off, n int64, mayUnmap bool) error {
	if m.ab.Zeroer != nil {
		if err := m.ab.Zeroer.WriteZeroes(ctx, off, n, mayUnmap); !unsupported(err) {
			return err
		}
	}
	if mayUnmap && m.ab.Unmapper != nil {
		if err := m.free(ctx, off, n); !unsupported(err) {
			return err
		}
	}
	return d.repeat(ctx, m, make([]byte, d.blockSize), off, n)
}

// repeat writes a block to each block of a range.
func (d *Disk) repeat(ctx context.Context, m *medium, block []byte, off, n int64) error {
	native := m.ab.WriteSamer
	if m.store.Geometry().BlockSize != d.blockSize {
		native = nil // it repeats blocks of another size
	}
	for native != nil && n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := m.nativeChunk(n)
		if err := native.WriteSame(ctx, block, off, k); unsupported(err) {
			native = nil
		} else if err != nil {
			return err
		} else {
			off, n = off+k, n-k
		}
	}
	if n == 0 {
		return nil
	}
	scratch := d.scratch.Get().(*[scratchSize]byte)
	defer d.scratch.Put(scratch)
	b := scratch[:min(int64(m.chunk(n)), scratchSize)]
	for at := 0; at < len(b); at += len(block) {
		copy(b[at:], block)
	}
	var iov [1][]byte
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		iov[0] = b[:min(n, int64(len(b)))]
		if err := m.store.Writev(ctx, iov[:], off); err != nil {
			return err
		}
		off, n = off+int64(len(iov[0])), n-int64(len(iov[0]))
	}
	return nil
}

// nativeChunk is how many of n bytes one call of a native ability changes.
func (m *medium) nativeChunk(n int64) int64 { return int64(m.chunk(min(n, nativeChunk))) }

func allZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
