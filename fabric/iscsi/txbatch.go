package iscsi

import (
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Sizes of a batch.
const (
	slabSize   = 16 << 10  // bytes of headers, digests, pads and short data
	batchBytes = 512 << 10 // bytes of data after which a batch is full
	batchBufs  = 512       // pieces of memory after which a batch is full
	inlineData = 128       // bytes of data up to which a copy is cheaper than a piece of its own

	// pduRoom is what a PDU takes of the slab at most: header, its digest, the data of a
	// Reject or what is inlined, sense data with its length, pad, data digest.
	pduRoom = pdu.HeaderLen + pdu.DigestLen + 2 + 252 + 3 + pdu.DigestLen
)

// txBatch is what one write takes: PDUs built into memory of the batch, and the pieces of
// command data between them. It belongs to the writer. Batches are pooled, so that an
// idle connection has none.
type txBatch struct {
	used int      // bytes of slab in use
	open int      // where the bytes of slab begin that are not in bufs yet
	data int      // bytes of data in bufs
	bufs [][]byte // everything in the order of the wire
	at   int      // first element of bufs that has not been written
	done []*txItem
	sent []*scsi.Command // those of done that are responses, when they have left

	mapped bool    // some of bufs is memory whose contents the system may have to fetch
	vec    []iovec // memory for the kernel's form of bufs; the first vecs are in use
	vecs   int
	slab   [slabSize]byte
}

func newTxBatch() *txBatch {
	return &txBatch{
		bufs: make([][]byte, 0, batchBufs+64),
		done: make([]*txItem, 0, 256),
		sent: make([]*scsi.Command, 0, 256),
		vec:  make([]iovec, 0, maxVec),
	}
}

// room reports whether another PDU fits.
func (b *txBatch) room() bool {
	return b.used+pduRoom <= slabSize && b.data < batchBytes && len(b.bufs) < batchBufs
}

// header starts a PDU.
func (b *txBatch) header() *pdu.Header {
	h := (*pdu.Header)(b.slab[b.used : b.used+pdu.HeaderLen])
	b.used += pdu.HeaderLen
	return h
}

// seal ends the header of a PDU.
func (b *txBatch) seal(h *pdu.Header, digest bool) {
	if digest {
		pdu.PutDigest(b.slab[b.used:], pdu.CRC(h[:]))
		b.used += pdu.DigestLen
	}
}

// copied puts a data segment of two parts, which is short, into the slab.
func (b *txBatch) copied(p, q []byte, digest bool) {
	start := b.used
	b.used += copy(b.slab[b.used:], p)
	b.used += copy(b.slab[b.used:], q)
	b.pad(b.used - start)
	if digest {
		b.digest(pdu.CRC(b.slab[start:b.used]))
	}
}

// lent adds a data segment that stays where it is until it has been written.
func (b *txBatch) lent(p []byte, digest bool) {
	if len(p) == 0 {
		return
	}
	b.close()
	b.bufs = append(b.bufs, p)
	b.data += len(p)
	b.pad(len(p))
	if digest {
		b.digest(pdu.CRCPad(pdu.CRC(p), len(p)))
	}
}

// lentFrom adds n bytes of buf from off on as a data segment.
func (b *txBatch) lentFrom(buf *sgv.Buf, off, n int, digest bool) {
	b.close()
	from := len(b.bufs)
	b.bufs = buf.Append(b.bufs, off, n)
	b.data += n
	if digest {
		crc := pdu.CRCVec(b.bufs[from:])
		b.pad(n)
		b.digest(crc)
		return
	}
	b.pad(n)
}

// pad adds the zero bytes behind n bytes of data.
func (b *txBatch) pad(n int) {
	for range pdu.Pad(n) {
		b.slab[b.used] = 0
		b.used++
	}
}

func (b *txBatch) digest(crc uint32) {
	pdu.PutDigest(b.slab[b.used:], crc)
	b.used += pdu.DigestLen
}

// close adds what has been put into the slab to bufs. PDUs that are only in the slab
// become one piece that way.
func (b *txBatch) close() {
	if b.used > b.open {
		b.bufs = append(b.bufs, b.slab[b.open:b.used])
		b.open = b.used
	}
}

// pending is what is left to write.
func (b *txBatch) pending() [][]byte { return b.bufs[b.at:] }

// wrote drops the first n bytes of what is left.
func (b *txBatch) wrote(n int) {
	for n > 0 {
		p := b.bufs[b.at]
		if n < len(p) {
			b.bufs[b.at] = p[n:]
			return
		}
		n -= len(p)
		b.at++
	}
}

// reset makes the batch empty and forgets everybody's memory.
func (b *txBatch) reset() {
	clear(b.bufs)
	clear(b.done)
	clear(b.sent)
	clear(b.vec[:b.vecs])
	b.vecs = 0
	b.bufs, b.done, b.sent = b.bufs[:0], b.done[:0], b.sent[:0]
	b.used, b.open, b.data, b.at, b.mapped = 0, 0, 0, 0, false
}

// pooled reports whether the batch is worth keeping: odd buffers may have made it large.
func (b *txBatch) pooled() bool { return cap(b.bufs) <= 4*batchBufs }

// writeTo writes what the socket takes of what is left, without waiting.
func (b *txBatch) writeTo(fd uintptr, brief bool) error {
	for b.at < len(b.bufs) {
		b.vecs = min(max(b.vecs, len(b.pending())), cap(b.vec))
		n, err := writevOnce(fd, b.pending(), b.vec, brief)
		if err != nil {
			return err
		}
		b.wrote(n)
	}
	return nil
}
