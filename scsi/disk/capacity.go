package disk

import (
	"context"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// maxStatus bounds the descriptors of one GET LBA STATUS.
const maxStatus = 1024

// readCapacity10 is READ CAPACITY(10) (SBC-4 5.20). PMI is obsolete; there are no delays
// between blocks, so that its answer is the same.
func (d *Disk) readCapacity10(c *scsi.Command, m *medium) error {
	if c.CDB()[8]&0x01 == 0 && c.LBA() != 0 {
		return scsi.BadCDB(2, -1)
	}
	var room [8]byte
	return c.Reply(sbc.AppendCapacity10(room[:0], m.blocks.Load()-1, uint32(d.blockSize)))
}

// readCapacity16 is READ CAPACITY(16) (SBC-4 5.21).
func (d *Disk) readCapacity16(c *scsi.Command, m *medium) error {
	if c.CDB()[14]&0x01 == 0 && c.LBA() != 0 {
		return scsi.BadCDB(2, -1)
	}
	var room [32]byte
	return c.Reply(sbc.AppendCapacity16(room[:0], &sbc.Capacity{
		LastLBA:      m.blocks.Load() - 1,
		BlockSize:    uint32(d.blockSize),
		PhysExponent: d.physExponent,
		LBPME:        d.thin,
		LBPRZ:        d.thin,
	}))
}

// lbaStatus is GET LBA STATUS(16) (SBC-4 5.6): the provisioning of the blocks from an LBA
// on, as far as the allocation length has room.
func (d *Disk) lbaStatus(c *scsi.Command, m *medium) error {
	size := m.blocks.Load()
	if c.LBA() >= size {
		return scsi.LBAOutOfRange
	}
	list := make([]sbc.LBAStatus, 0, min(sbc.LBAStatusCount(c.Count()), maxStatus))
	list, err := d.provisioning(c.Context(), m, list, c.LBA(), size)
	if err != nil {
		return d.sense(c, err, reading, c.LBA())
	}
	return c.Reply(sbc.AppendLBAStatus(make([]byte, 0, 8+16*len(list)), list))
}

// provisioning appends what the store knows of [lba, end), at least one descriptor and at
// most as many as dst has room for.
func (d *Disk) provisioning(ctx context.Context, m *medium, dst []sbc.LBAStatus, lba, end uint64) ([]sbc.LBAStatus, error) {
	if m.ab.ExtentMapper == nil || !d.thin {
		return appendStatus(dst, lba, end, sbc.Mapped), nil
	}
	off := int64(lba) << d.shift
	// One extent more than descriptors: a last one may be cut to a part of a block.
	extents, err := m.ab.ExtentMapper.AppendExtents(ctx, make([]backstore.MappedExtent, 0, cap(dst)+1), off, int64(end-lba)<<d.shift)
	if unsupported(err) {
		return appendStatus(dst, lba, end, sbc.Mapped), nil
	}
	if err != nil {
		return dst, err
	}
	at, covered := lba, lba
	for _, e := range extents {
		// Only blocks that lie within the extent as a whole have its state.
		from := uint64(e.Off+int64(d.blockSize)-1) >> d.shift
		covered = uint64(e.Off+e.Len) >> d.shift
		state := sbc.LBAState(e.State)
		if state == sbc.Mapped || from >= covered {
			continue
		}
		dst = appendStatus(dst, at, from, sbc.Mapped)
		dst = appendStatus(dst, from, covered, state)
		at = covered
	}
	dst = appendStatus(dst, at, covered, sbc.Mapped)
	if len(dst) == 0 {
		dst = appendStatus(dst, lba, lba+1, sbc.Mapped)
	}
	return dst, nil
}

// appendStatus appends [from, to) as far as dst has room, and joins it with the last
// descriptor if that has the same state.
func appendStatus(dst []sbc.LBAStatus, from, to uint64, state sbc.LBAState) []sbc.LBAStatus {
	for from < to {
		n := min(to-from, 1<<32-1)
		if i := len(dst) - 1; i >= 0 && dst[i].LBA+uint64(dst[i].Blocks) != from {
			return dst // there was no room for what lies between
		} else if i >= 0 && dst[i].State == state && uint64(dst[i].Blocks)+n < 1<<32 {
			dst[i].Blocks += uint32(n)
		} else if len(dst) == cap(dst) {
			return dst
		} else {
			dst = append(dst, sbc.LBAStatus{Extent: sbc.Extent{LBA: from, Blocks: uint32(n)}, State: state})
		}
		from += n
	}
	return dst
}
