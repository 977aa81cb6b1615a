package disk

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
)

// compareAndWrite is COMPARE AND WRITE (SBC-4 5.3): the first half of the data-out is
// compared with the blocks, the second half replaces them if they are the same. The
// blocks are locked against every command that changes one of them.
func (d *Disk) compareAndWrite(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	cdb := c.CDB()
	if cdb[1]&flagProtect != 0 {
		return scsi.BadCDB(1, 7)
	}
	lba, blocks := c.LBA(), uint64(c.Blocks())
	if blocks > uint64(d.maxCompare) {
		return scsi.BadCDB(13, 7)
	}
	if err := checkRange(m.blocks.Load(), lba, blocks); err != nil {
		return err
	}
	half := int(blocks) << d.shift
	if !exactData(c, 2*half) {
		return scsi.BadCDB(13, 7)
	}
	if blocks == 0 {
		return nil
	}
	guard, err := d.lock.LockExclusive(c.Context(), lba, blocks)
	if err != nil {
		return d.sense(c, err, writing, lba)
	}
	defer guard.Unlock()
	if m.ab.CompareAndWriter != nil && m.fits(half) {
		if done, err := d.nativeCompare(c, m, half); done {
			return err
		}
	}
	off := int64(lba) << d.shift
	if cdb[1]&flagFUA != 0 { // of the reads too
		if err := d.onMedium(c.Context(), m, off, int64(half)); err != nil {
			return d.sense(c, err, writing, lba)
		}
	}
	differs, err := d.compare(c.Context(), m, c.Data(), 0, off, int64(half))
	if err != nil {
		return d.sense(c, err, reading, lba)
	}
	if differs >= 0 {
		return miscompare(uint64(differs))
	}
	return d.sense(c, d.writeBuf(c.Context(), m, c.Data(), half, half, off, cdb[1]&flagFUA != 0), writing, lba)
}

// nativeCompare asks the store. It is not done if the store cannot.
func (d *Disk) nativeCompare(c *scsi.Command, m *medium, half int) (done bool, _ error) {
	off := int64(c.LBA()) << d.shift
	err := m.ab.CompareAndWriter.CompareAndWrite(c.Context(), c.Data().Append(nil, 0, half), c.Data().Append(nil, half, half), off)
	if unsupported(err) {
		return false, nil
	}
	var differs *backstore.MiscompareError
	if errors.As(err, &differs) {
		return true, miscompare(uint64(max(differs.Offset, 0)))
	}
	if err == nil {
		err = d.persist(c.Context(), m, off, int64(half), c.CDB()[1]&flagFUA != 0)
	}
	return true, d.sense(c, err, writing, c.LBA())
}

// persist is settle for a command that may have FUA set.
func (d *Disk) persist(ctx context.Context, m *medium, off, n int64, fua bool) error {
	if m.volatile && fua {
		return m.ab.Flusher.Flush(ctx, off, n)
	}
	return d.settle(ctx, m, off, n)
}

// exactData reports whether a command got n bytes of data-out and the initiator sends no
// more: where half of the data would mean something else, a length that does not fit the
// CDB is refused.
func exactData(c *scsi.Command, n int) bool {
	if c.ExpectedSet && c.ExpectedOut != uint32(n) {
		return false
	}
	if c.Data() == nil {
		return n == 0
	}
	return c.Data().Len() == n
}
