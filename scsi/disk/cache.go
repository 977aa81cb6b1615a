package disk

import (
	"context"
	"errors"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// synchronize is SYNCHRONIZE CACHE (SBC-4 5.33, 5.34). It ends when the data is durable,
// also with IMMED, so that no error is left to be deferred.
func (d *Disk) synchronize(c *scsi.Command, m *medium) error {
	lba, blocks := c.LBA(), uint64(c.Blocks())
	size := m.blocks.Load()
	if err := checkRange(size, lba, blocks); err != nil {
		return err
	}
	if blocks == 0 { // to the end
		blocks = size - lba
	}
	if !m.volatile || blocks == 0 {
		return nil
	}
	return d.sense(c, m.ab.Flusher.Flush(c.Context(), int64(lba)<<d.shift, int64(blocks)<<d.shift), writing, lba)
}

// applyCaching makes a caching mode page take effect. When WCE is cleared, what is in the
// cache is flushed before the command ends.
func (d *Disk) applyCaching(ctx context.Context, page []byte) error {
	p, err := sbc.ParseCachingPage(page)
	if err != nil {
		return err
	}
	was := d.wce.Swap(p.WCE)
	if !was || p.WCE {
		return nil
	}
	m := d.med.Load()
	if m == nil || !m.volatile || d.opts.Removable && !m.hold() {
		return nil // nothing is loaded; Eject has flushed it
	}
	if d.opts.Removable {
		defer m.release()
	}
	if err := m.ab.Flusher.Flush(ctx, 0, 0); err != nil {
		d.wce.Store(true)
		return d.flushed(ctx, err)
	}
	return nil
}

// unsupported reports whether a store asks for the emulation.
func unsupported(err error) bool { return err != nil && errors.Is(err, errors.ErrUnsupported) }
