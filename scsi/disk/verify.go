package disk

import (
	"bytes"
	"context"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// scratchSize is how much of the medium is looked at in one step.
const scratchSize = 128 << 10

// The values of BYTCHK (SBC-4 5.36).
const (
	checkMedium  = 0 // only that it can be read
	checkBytes   = 1 // compare with as many blocks of data-out
	checkOneByte = 3 // compare each block with the one block of data-out
)

// verify is VERIFY (SBC-4 5.36 to 5.38).
func (d *Disk) verify(c *scsi.Command, m *medium) error {
	cdb := c.CDB()
	if cdb[1]&flagProtect != 0 {
		return scsi.BadCDB(1, 7)
	}
	lba, blocks := c.LBA(), uint64(c.Blocks())
	if err := checkRange(m.blocks.Load(), lba, blocks); err != nil {
		return err
	}
	off, n := int64(lba)<<d.shift, int64(blocks)<<d.shift
	check := cdb[1] >> 1 & 3
	switch check {
	case checkMedium:
	case checkBytes, checkOneByte:
		want := n
		if check == checkOneByte {
			want = int64(d.blockSize)
		}
		if n > 0 && (c.Data() == nil || int64(c.Data().Len()) < want) {
			return scsi.InvalidCommandIUField // there is less to compare with than the command verifies
		}
	default:
		return scsi.BadCDB(1, 2)
	}
	if n == 0 {
		return nil
	}
	if err := d.onMedium(c.Context(), m, off, n); err != nil {
		return d.sense(c, err, writing, lba)
	}
	var (
		differs int64
		err     error
	)
	switch check {
	case checkMedium:
		return d.sense(c, d.readable(c.Context(), m, off, n), reading, lba)
	case checkBytes:
		differs, err = d.compare(c.Context(), m, c.Data(), 0, off, n)
	case checkOneByte:
		differs, err = d.compareSame(c.Context(), m, c.Data(), off, n)
	}
	if err == nil && differs >= 0 {
		return miscompare(uint64(off+differs) >> d.shift)
	}
	return d.sense(c, err, reading, lba)
}

// writeVerify is WRITE AND VERIFY (SBC-4 5.44 to 5.46): the data is written to the medium,
// and then read back from there. The blocks are locked from everybody else, so that
// BYTCHK compares with what this command has written.
func (d *Disk) writeVerify(c *scsi.Command, m *medium) error {
	if m.readOnly.Load() {
		return scsi.WriteProtected
	}
	check := c.CDB()[1] >> 1 & 3
	if check != checkMedium && check != checkBytes {
		return scsi.BadCDB(1, 2)
	}
	t, err := d.locate(c, m)
	if err != nil || t.buf == nil {
		return err
	}
	guard, err := d.lock.LockExclusive(c.Context(), c.LBA(), uint64(t.n)>>d.shift)
	if err != nil {
		return d.sense(c, err, writing, c.LBA())
	}
	defer guard.Unlock()
	if err := d.writeBuf(c.Context(), m, t.buf, 0, t.n, t.off, true); err != nil {
		return d.sense(c, err, writing, c.LBA())
	}
	if check == checkMedium {
		return d.sense(c, d.readable(c.Context(), m, t.off, int64(t.n)), reading, c.LBA())
	}
	differs, err := d.compare(c.Context(), m, t.buf, 0, t.off, int64(t.n))
	if err == nil && differs >= 0 {
		return miscompare(uint64(t.off+differs) >> d.shift)
	}
	return d.sense(c, err, reading, c.LBA())
}

// onMedium moves what a cache holds of a range to the medium.
func (d *Disk) onMedium(ctx context.Context, m *medium, off, n int64) error {
	if !m.volatile {
		return nil
	}
	return m.ab.Flusher.Flush(ctx, off, n)
}

// readable checks that a range can be read.
func (d *Disk) readable(ctx context.Context, m *medium, off, n int64) error {
	for m.ab.Verifier != nil && n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, nativeChunk)
		err := m.ab.Verifier.Verify(ctx, off, k)
		if unsupported(err) {
			break
		}
		if err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return d.eachChunk(ctx, m, off, n, func([]byte, int64) bool { return true })
}

// compare compares n bytes at off of the medium with those of buf from the offset at. It
// returns how many bytes are the same before the first difference, -1 if all are.
func (d *Disk) compare(ctx context.Context, m *medium, buf *sgv.Buf, at int, off, n int64) (int64, error) {
	iov := buf.Append(nil, at, int(n))
	differs := int64(-1)
	err := d.eachChunk(ctx, m, off, n, func(b []byte, done int64) bool {
		for len(b) > 0 {
			k := min(len(b), len(iov[0]))
			if i := mismatch(b[:k], iov[0][:k]); i >= 0 {
				differs = done + int64(i)
				return false
			}
			b, done = b[k:], done+int64(k)
			if iov[0] = iov[0][k:]; len(iov[0]) == 0 {
				iov = iov[1:]
			}
		}
		return true
	})
	return differs, err
}

// compareSame compares each block of a range with the one that buf begins with.
func (d *Disk) compareSame(ctx context.Context, m *medium, buf *sgv.Buf, off, n int64) (int64, error) {
	block := make([]byte, d.blockSize)
	if _, err := buf.ReadAt(block, 0); err != nil {
		return 0, err
	}
	differs := int64(-1)
	err := d.eachChunk(ctx, m, off, n, func(b []byte, done int64) bool {
		for ; len(b) > 0; b, done = b[len(block):], done+int64(len(block)) {
			if i := mismatch(b[:len(block)], block); i >= 0 {
				differs = done + int64(i)
				return false
			}
		}
		return true
	})
	return differs, err
}

// eachChunk reads a range and shows it to f piece by piece, in whole blocks, together
// with how much came before, until f has seen enough or ctx is done.
func (d *Disk) eachChunk(ctx context.Context, m *medium, off, n int64, f func(b []byte, done int64) bool) error {
	scratch := d.scratch.Get().(*[scratchSize]byte)
	defer d.scratch.Put(scratch)
	var iov [1][]byte
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := scratch[:min(int64(m.chunk(n-done)), scratchSize)]
		iov[0] = b
		if err := m.store.Readv(ctx, iov[:], off+done); err != nil {
			return err
		}
		if !f(b, done) {
			return nil
		}
		done += int64(len(b))
	}
	return nil
}

// mismatch is the index of the first byte in which a and b, of the same length, differ, or -1.
func mismatch(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
