package disk

import (
	"context"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/rangelock"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Bits of byte 1 of READ and WRITE CDBs beyond the 6-byte ones (SBC-4 5.16, 5.40). DPO
// needs nothing: stores decide by themselves what they cache.
const (
	flagProtect = 0xE0 // RDPROTECT, WRPROTECT, VRPROTECT
	flagFUA     = 0x08
)

// transfer is where a READ or WRITE goes.
type transfer struct {
	buf *sgv.Buf // of a READ, nil until need
	off int64    // bytes
	n   int      // bytes of buf; 0: nothing moves
	fua bool
}

// checkRange refuses blocks beyond the end of a medium of size blocks.
func checkRange(size, lba, blocks uint64) error {
	if lba > size || blocks > size-lba {
		return scsi.LBAOutOfRange
	}
	return nil
}

// locate checks a READ or WRITE. What the initiator is ready to move may be less than the
// CDB asks for; all of the CDB is checked.
func (d *Disk) locate(c *scsi.Command, m *medium) (t transfer, err error) {
	if cdb := c.CDB(); c.Op().Rule != scsi.RuleBlocks6 {
		if cdb[1]&flagProtect != 0 {
			return t, scsi.BadCDB(1, 7)
		}
		t.fua = cdb[1]&flagFUA != 0
	}
	if err := checkRange(m.blocks.Load(), c.LBA(), uint64(c.Blocks())); err != nil {
		return t, err
	}
	if t.n = c.Room(); t.n == 0 {
		return t, nil
	}
	t.buf, t.off = c.Data(), int64(c.LBA())<<d.shift
	if t.n&(d.blockSize-1) != 0 {
		return t, scsi.InvalidFieldInCDB
	}
	return t, nil
}

// need gets the buffer of a READ that lends nothing.
func (t *transfer) need(c *scsi.Command) error {
	err := c.NeedData()
	t.buf = c.Data()
	return err
}

// tryRead is READ as far as it does not block.
func (d *Disk) tryRead(c *scsi.Command, m *medium) error {
	t, err := d.locate(c, m)
	if err != nil || t.n == 0 {
		return err
	}
	if t.fua && m.volatile || !m.fits(t.n) {
		return scsi.ErrWouldBlock
	}
	if lend(c, m, &t) {
		return nil
	}
	if err := t.need(c); err != nil {
		return err
	}
	if m.ab.Nowait != nil {
		switch err := m.ab.Nowait.TryReadv(t.buf.Segs(), t.off); err {
		case nil:
			return nil
		case backstore.ErrWouldBlock:
		default:
			return d.sense(c, err, reading, c.LBA())
		}
	}
	if m.ab.Submitter != nil {
		d.submit(c, m, &t, rangelock.Guard{})
		return nil
	}
	return scsi.ErrWouldBlock
}

// lend answers a READ with memory of the store, if it lends some: such that does not change, or
// such that only the system may read if nobody else does.
func lend(c *scsi.Command, m *medium, t *transfer) bool {
	live := m.ab.MapLender != nil && c.RawIn && c.Attr == scsi.Simple
	if m.ab.Lender == nil && !live {
		return false
	}
	v := c.Vector()
	iov, release, ok := (*v)[:0], (func())(nil), false
	if m.ab.Lender != nil {
		iov, release, ok = m.ab.Lender.Lend(t.off, int64(t.n), iov)
	}
	lend := (*scsi.Command).Lend
	if !ok && live && m.lends(c) {
		iov, release, ok = m.ab.MapLender.LendMapped(t.off, int64(t.n), iov)
		lend = (*scsi.Command).LendMapped
	}
	if ok {
		if err := lend(c, iov, release); err != nil {
			release()
			ok = false
		}
	}
	clear(iov)
	*v = iov[:0]
	return ok
}

// read is READ (SBC-4 5.16 to 5.18) on a worker. With FUA the data comes from the medium:
// what the cache holds of it goes there first.
func (d *Disk) read(c *scsi.Command, m *medium) error {
	t, err := d.locate(c, m)
	if err != nil || t.n == 0 {
		return err
	}
	if err := t.need(c); err != nil {
		return err
	}
	if t.fua && m.volatile {
		if err := m.ab.Flusher.Flush(c.Context(), t.off, int64(t.n)); err != nil {
			return d.sense(c, err, writing, c.LBA())
		}
	}
	if m.ab.Submitter != nil && m.fits(t.n) {
		d.submit(c, m, &t, rangelock.Guard{})
		return nil
	}
	return d.sense(c, m.readBuf(c.Context(), t.buf, 0, t.n, t.off), reading, c.LBA())
}

// tryWrite is WRITE as far as it does not block.
func (d *Disk) tryWrite(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	t, err := d.locate(c, m)
	if err != nil || t.n == 0 {
		return err
	}
	if !m.fits(t.n) {
		return scsi.ErrWouldBlock
	}
	durable := m.volatile && (t.fua || !d.wce.Load())
	if m.ab.Submitter == nil && (durable || m.ab.Nowait == nil) {
		return scsi.ErrWouldBlock
	}
	guard, ok := d.lock.TryLockShared(c.LBA(), uint64(t.n)>>d.shift)
	if !ok {
		return scsi.ErrWouldBlock
	}
	if m.ab.Nowait != nil && !durable {
		err := m.ab.Nowait.TryWritev(t.buf.Segs(), t.off)
		if err == nil {
			// WCE may have been cleared meanwhile; that is rare, and worth a wait.
			err = d.settle(c.Context(), m, t.off, int64(t.n))
		}
		if err != backstore.ErrWouldBlock {
			guard.Unlock()
			return d.sense(c, err, writing, c.LBA())
		}
	}
	if m.ab.Submitter != nil {
		t.fua = durable
		d.submit(c, m, &t, guard)
		return nil
	}
	guard.Unlock()
	return scsi.ErrWouldBlock
}

// write is WRITE (SBC-4 5.40 to 5.42) on a worker.
func (d *Disk) write(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	t, err := d.locate(c, m)
	if err != nil || t.n == 0 {
		return err
	}
	guard, err := d.lock.LockShared(c.Context(), c.LBA(), uint64(t.n)>>d.shift)
	if err != nil {
		return d.sense(c, err, writing, c.LBA())
	}
	if m.ab.Submitter != nil && m.fits(t.n) {
		t.fua = m.volatile && (t.fua || !d.wce.Load())
		d.submit(c, m, &t, guard)
		return nil
	}
	err = d.writeBuf(c.Context(), m, t.buf, 0, t.n, t.off, t.fua)
	guard.Unlock()
	return d.sense(c, err, writing, c.LBA())
}

// readBuf reads n bytes at off of the store into buf at the offset at.
func (m *medium) readBuf(ctx context.Context, buf *sgv.Buf, at, n int, off int64) error {
	if at == 0 && n == buf.Len() && m.fits(n) {
		return m.store.Readv(ctx, buf.Segs(), off)
	}
	var iov [][]byte
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := m.chunk(int64(n))
		iov = buf.Append(iov[:0], at, k)
		if err := m.store.Readv(ctx, iov, off); err != nil {
			return err
		}
		at, off, n = at+k, off+int64(k), n-k
	}
	return nil
}

// writeBuf writes n bytes of buf from the offset at to off of the store, durably with
// fua or without WCE. The blocks are locked.
func (d *Disk) writeBuf(ctx context.Context, m *medium, buf *sgv.Buf, at, n int, off int64, fua bool) error {
	fua = m.volatile && (fua || !d.wce.Load())
	if at == 0 && n == buf.Len() && m.fits(n) {
		return d.writev(ctx, m, buf.Segs(), off, int64(n), fua)
	}
	var iov [][]byte
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := m.chunk(int64(n))
		iov = buf.Append(iov[:0], at, k)
		if err := d.writev(ctx, m, iov, off, int64(k), fua); err != nil {
			return err
		}
		at, off, n = at+k, off+int64(k), n-k
	}
	return nil
}

// writev writes the n bytes of iov, which the store takes in one call.
func (d *Disk) writev(ctx context.Context, m *medium, iov [][]byte, off, n int64, durable bool) error {
	if !durable {
		if err := m.store.Writev(ctx, iov, off); err != nil {
			return err
		}
		return d.settle(ctx, m, off, n)
	}
	if m.ab.FUAWriter != nil {
		if err := m.ab.FUAWriter.WritevFUA(ctx, iov, off); !unsupported(err) {
			return err
		}
	}
	if err := m.store.Writev(ctx, iov, off); err != nil {
		return err
	}
	return m.ab.Flusher.Flush(ctx, off, n)
}

// settle makes n bytes at off durable, which a method that ended just now has changed,
// unless the write cache may keep them. It looks at WCE after the change: MODE SELECT
// clears WCE first and flushes then, so that every change is covered by one or the other.
func (d *Disk) settle(ctx context.Context, m *medium, off, n int64) error {
	if !m.volatile || d.wce.Load() {
		return nil
	}
	return m.ab.Flusher.Flush(ctx, off, n)
}
