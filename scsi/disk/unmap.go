package disk

import (
	"context"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// unmap is UNMAP (SBC-4 5.35). All descriptors are checked before the first one takes
// effect.
func (d *Disk) unmap(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	if c.CDB()[1]&0x01 != 0 { // ANCHOR
		return scsi.BadCDB(1, 0)
	}
	var room [8 + 16*16]byte
	b := c.Params(room[:0])
	if len(b) < int(c.Count()) {
		return scsi.ParameterListLength
	}
	list, err := sbc.ParseUnmap(b)
	if err != nil {
		return err
	}
	if err := list.Check(d.limits(), m.blocks.Load()); err != nil {
		return err
	}
	for e := range list.All() {
		if e.Blocks == 0 {
			continue
		}
		if err := d.unmapExtent(c, m, e); err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) unmapExtent(c *scsi.Command, m *medium, e sbc.Extent) error {
	ctx := c.Context()
	guard, err := d.lock.LockShared(ctx, e.LBA, uint64(e.Blocks))
	if err != nil {
		return d.sense(c, err, writing, e.LBA)
	}
	defer guard.Unlock()
	off, n := int64(e.LBA)<<d.shift, int64(e.Blocks)<<d.shift
	for at, left := off, n; left > 0; {
		if err := ctx.Err(); err != nil {
			return d.sense(c, err, writing, e.LBA)
		}
		k := m.nativeChunk(left)
		if err := d.unmapChunk(ctx, m, at, k); err != nil {
			return d.sense(c, err, writing, e.LBA)
		}
		at, left = at+k, left-k
	}
	return d.sense(c, d.settle(ctx, m, off, n), writing, e.LBA)
}

// unmapChunk frees a range. A medium that cannot do it, although the disk has said so,
// gets zeroes: that is what its blocks then have to read as.
func (d *Disk) unmapChunk(ctx context.Context, m *medium, off, n int64) error {
	if m.ab.Unmapper != nil {
		if err := m.free(ctx, off, n); !unsupported(err) {
			return err
		}
	}
	return d.zeroChunk(ctx, m, off, n, true)
}

func (m *medium) free(ctx context.Context, off, n int64) error {
	extents := [...]backstore.Extent{{Off: off, Len: n}}
	return m.ab.Unmapper.Unmap(ctx, extents[:])
}
