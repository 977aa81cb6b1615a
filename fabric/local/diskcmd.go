package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/spc"
)

// The commands of a Disk beside reads and writes, and how all of them are repeated.

// command sends a command, again after unit attentions, and again for some seconds if
// the unit is busy or its queue is full.
func (d *Disk) command(ctx context.Context, cdb, out, in []byte) (Result, error) {
	r, err := d.i.Do(ctx, d.lun, cdb, out, in)
	if err == nil {
		return r, nil
	}
	pause := pauses{next: time.Millisecond}
	for attentions := 0; ; {
		switch {
		case IsUnitAttention(err):
			if attentions++; attentions == maxAttentions {
				return r, err
			}
			if errors.Is(err, scsi.CapacityChanged) && cdb[0] != byte(scsi.OpServiceActionIn16) {
				if err := d.capacity(ctx); err != nil {
					return r, err
				}
			}
		case errors.Is(err, scsi.ErrBusy) || errors.Is(err, scsi.ErrTaskSetFull):
			if !pause.wait(ctx) {
				return r, err
			}
		default:
			return r, err
		}
		if r, err = d.i.Do(ctx, d.lun, cdb, out, in); err == nil {
			return r, nil
		}
	}
}

// pauses are the times between attempts, each twice as long as the one before.
type pauses struct{ next time.Duration }

// maxPause bounds a pause; all pauses up to it make four seconds.
const maxPause = 2 * time.Second

// wait reports false, at once, if there were enough of them, or if ctx is done.
func (p *pauses) wait(ctx context.Context) bool {
	if p.next > maxPause {
		return false
	}
	t := time.NewTimer(p.next)
	defer t.Stop()
	p.next *= 2
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// capacity reads the size and, at first, the block length.
func (d *Disk) capacity(ctx context.Context) error {
	cdb := [16]byte{byte(scsi.OpServiceActionIn16), byte(scsi.ActionReadCapacity16), 13: 32}
	var in [32]byte
	r, err := d.command(ctx, cdb[:], nil, in[:])
	if err != nil {
		return err
	}
	c, err := sbc.ParseCapacity16(in[:r.N])
	if err != nil {
		return err
	}
	if d.block == 0 {
		d.block = int(c.BlockSize)
	}
	switch {
	case c.BlockSize == 0 || c.BlockSize > 1<<20 || int(c.BlockSize) != d.block:
		return fmt.Errorf("local: block length is %d now", c.BlockSize)
	case c.LastLBA >= 1<<63/uint64(c.BlockSize)-1:
		return fmt.Errorf("local: %d blocks of %d bytes are too many", c.LastLBA, c.BlockSize)
	}
	d.size.Store(int64(c.LastLBA+1) * int64(d.block))
	return nil
}

// limits reads the pages B0h and B2h, as far as there are any.
func (d *Disk) limits(ctx context.Context) error {
	d.chunk = max(defaultChunk/d.block, 1) * d.block
	body, err := d.vpd(ctx, sbc.VPDLimits)
	if err != nil || body == nil {
		return err
	}
	l, err := sbc.ParseLimits(body)
	if err != nil {
		return err
	}
	if l.MaxTransfer > 0 {
		d.chunk = int(min(int64(l.MaxTransfer), max(maxChunk/int64(d.block), 1))) * d.block
	}
	if body, err = d.vpd(ctx, sbc.VPDProvisioning); err != nil || body == nil {
		return err
	}
	p, err := sbc.ParseProvisioning(body)
	if err != nil {
		return err
	}
	if p.LBPU {
		d.unmap = unmapLimitsOf(&l)
	}
	return nil
}

// maxChunk is the longest transfer, in bytes, whatever the logical unit allows.
const maxChunk = 16 << 20

// vpd reads the body of a page; nil if the unit has no such page.
func (d *Disk) vpd(ctx context.Context, page uint8) ([]byte, error) {
	var in [252]byte
	r, err := d.command(ctx, []byte{byte(scsi.OpInquiry), 1, page, 0, byte(len(in)), 0}, nil, in[:])
	if errors.Is(err, scsi.InvalidFieldInCDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := spc.ParseVPD(in[:r.N])
	if err != nil {
		return nil, err
	}
	return v.Body, nil
}

// unmapLimits is what one UNMAP may ask for. The zero value says that there is none.
type unmapLimits struct {
	blocks      uint64 // of one command
	granularity uint64 // blocks; at least 1
	alignment   uint64 // LBA of the first granule
}

func unmapLimitsOf(l *sbc.Limits) unmapLimits {
	u := unmapLimits{blocks: uint64(l.MaxUnmapBlocks), granularity: max(uint64(l.UnmapGranularity), 1)}
	if l.MaxUnmapExtents == 0 {
		u.blocks = 0
	}
	if l.UnmapAligned {
		u.alignment = uint64(l.UnmapAlignment) % u.granularity
	}
	return u
}

// cut is how many of the next n blocks at lba go in one command: as many as it takes, up
// to a boundary between granules if it is not the last one.
func (u *unmapLimits) cut(lba, n uint64) uint64 {
	if n <= u.blocks {
		return n
	}
	end := lba + u.blocks
	if over := (end + u.granularity - u.alignment) % u.granularity; over < u.blocks {
		end -= over
	}
	return end - lba
}

// Discard tells the logical unit that the bytes are not needed any more: UNMAP. Blocks
// that the range covers in part are left alone, and so is what the unit cannot
// deallocate; the others read as zeroes or as before, as the unit says (LBPRZ). It
// returns errors.ErrUnsupported if the unit has no UNMAP.
func (d *Disk) Discard(ctx context.Context, off, n int64) error {
	if off < 0 || n < 0 || n > d.Size()-off {
		return ErrOutOfRange
	}
	if d.unmap.blocks == 0 {
		return errors.ErrUnsupported
	}
	block := int64(d.block)
	lba, end := uint64((off+block-1)/block), uint64((off+n)/block)
	cdb := [10]byte{byte(scsi.OpUnmap)}
	var list []byte
	for lba < end {
		step := d.unmap.cut(lba, end-lba)
		list = sbc.AppendUnmap(list[:0], []sbc.Extent{{LBA: lba, Blocks: uint32(step)}})
		binary.BigEndian.PutUint16(cdb[7:], uint16(len(list)))
		if _, err := d.command(ctx, cdb[:], list, nil); err != nil {
			return err
		}
		lba += step
	}
	return nil
}
