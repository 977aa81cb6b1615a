package iscsi

import (
	"io"
	"time"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// Sizes of what one read takes.
const (
	rxBufSize = 64 << 10
	// directTail is how much is read behind a data segment that goes straight to its
	// buffer, or instead of a full buffer while large segments come: what of a large
	// segment is read ahead has to be copied.
	directTail = 4 << 10
	// largeSegment is a data segment for which that matters.
	largeSegment = 32 << 10
)

// sink is where the rest of a data segment goes that was not whole in the receive
// buffer.
type sink uint8

const (
	sinkDrop sink = iota
	sinkDataOut
	sinkImmediate
	sinkCollect // into memory of its own: the PDU is handled when it is whole
)

// receiver is the reader's state. It belongs to the reader's goroutine; into is shared
// under conn.dmu.
type receiver struct {
	buf  *[rxBufSize]byte // nil while the connection is idle
	r, w int              // buf[r:w] has arrived and is not consumed

	large bool          // the last data segment was a large one
	at    time.Duration // when the commands of this read arrived, by the engine's clock; 0: there was none

	// A data segment that was not whole.
	streaming bool
	hdr       pdu.Header
	left      int    // bytes of it that have not arrived
	tail      int    // bytes of pad and digest behind it
	crc       uint32 // digest of what has arrived
	sink      sink
	into      *task // of sinkDataOut and sinkImmediate; nil: drop. Guarded by conn.dmu
	off, room int   // where in the command's buffer the next byte goes, and how many more fit
	ahs       []byte
	whole     []byte // of sinkCollect

	// The write command that is being submitted.
	asked bool // the engine asked for its data
	seg   segment

	iov [][]byte
	vec []iovec

	turns int // reads that have brought something since the reader slept

	n   int // result of a read on the descriptor
	err error
}

// briefTurns is how often a reader that does not sleep reads by brief calls.
const briefTurns = 16

// brief reports whether the next read may be a brief call. A reader that goes on makes ordinary
// ones, of which the first wakes the scheduler's watcher.
func (rx *receiver) brief() bool { return rx.turns < briefTurns }

// loneRead is the longest READ in bytes whose data a lone command has copied in place of sending
// it from mapped memory, which no brief call may do: the copy is cheaper than the other call.
const loneRead = 16 << 10

// lone reports whether what is handled has come by itself after a sleep: a few PDUs at most.
func (rx *receiver) lone() bool { return rx.turns <= 1 && rx.w <= 4*pdu.HeaderLen }

// serve reads and handles PDUs until the connection ends. All PDUs of one read are
// handled on the way, and what answers them leaves together.
func (c *conn) serve() error {
	c.joins()
	defer c.leaves()
	for {
		if err := c.fill(); err != nil {
			return err
		}
		c.cork()
		err := c.consume()
		c.uncork()
		c.publish()
		if err != nil {
			return err
		}
	}
}

// consume handles all that is in the buffer.
func (c *conn) consume() error {
	rx := &c.rx
	c.alive.Store(true)
	rx.at = 0
	for !c.ending {
		if rx.streaming {
			n := min(rx.left, rx.w-rx.r)
			c.deliver(rx.buf[rx.r : rx.r+n])
			rx.r += n
			if rx.left > 0 || rx.w-rx.r < rx.tail {
				return nil
			}
			if err := c.endSegment(rx.buf[rx.r : rx.r+rx.tail]); err != nil {
				return err
			}
			rx.r += rx.tail
			continue
		}
		more, err := c.next()
		if err != nil || !more {
			return err
		}
		c.worked()
	}
	return nil
}

// next handles the PDU at the start of the buffer, or as much of it as is there. It
// reports false if more has to be read first.
func (c *conn) next() (more bool, err error) {
	rx := &c.rx
	if rx.buf == nil {
		return false, nil
	}
	b := rx.buf[rx.r:rx.w]
	h, ok := pdu.FromBytes(b)
	if !ok {
		return false, nil
	}
	ahsLen, n := h.AHSLen(), h.DataLen()
	head := pdu.HeaderLen + ahsLen
	if c.par.HeaderDigest {
		head += pdu.DigestLen
	}
	if len(b) < head {
		return false, nil
	}
	if at := pdu.HeaderLen + ahsLen; c.par.HeaderDigest && pdu.CRC(b[:at]) != pdu.Digest(b[at:]) {
		return false, errHeaderDigest // where the next PDU begins is not known any more
	}
	if n > c.par.MaxRecvDataSegmentLength {
		return false, errSegmentTooLong
	}
	tail := pdu.Pad(n)
	if c.par.DataDigest && n > 0 {
		tail += pdu.DigestLen
	}
	ahs := b[pdu.HeaderLen : pdu.HeaderLen+ahsLen]
	rx.r += head
	c.stats.pdusIn++
	rx.large = n >= largeSegment
	if len(b) < head+n+tail {
		rx.streaming, rx.sink = true, sinkDrop
		rx.hdr, rx.left, rx.tail, rx.crc = *h, n, tail, 0
		return true, c.dispatch(h, ahs, segment{n: n})
	}
	seg := segment{n: n, whole: true, data: b[head : head+n : head+n]}
	if c.par.DataDigest && n > 0 {
		at := head + n + pdu.Pad(n)
		seg.bad = pdu.CRC(b[head:at]) != pdu.Digest(b[at:])
	}
	rx.r += n + tail
	return true, c.dispatch(h, ahs, seg)
}

// deliver takes the next part of a data segment that was not whole.
func (c *conn) deliver(p []byte) {
	rx := &c.rx
	if len(p) == 0 {
		return
	}
	if c.par.DataDigest {
		rx.crc = pdu.UpdateCRC(rx.crc, p)
	}
	rx.left -= len(p)
	switch rx.sink {
	case sinkCollect:
		rx.whole = append(rx.whole, p...)
	case sinkDataOut, sinkImmediate:
		c.dmu.Lock()
		if n := min(len(p), rx.room); n > 0 && rx.into != nil {
			_, _ = rx.into.in.buf.WriteAt(p[:n], int64(rx.off)) // it fits
			rx.off += n
			rx.room -= n
		}
		c.dmu.Unlock()
	}
}

// endSegment checks the pad bytes and the digest that follow a data segment, and finishes
// its PDU.
func (c *conn) endSegment(tail []byte) error {
	rx := &c.rx
	rx.streaming = false
	bad := false
	if c.par.DataDigest && rx.hdr.DataLen() > 0 {
		at := len(tail) - pdu.DigestLen
		bad = pdu.UpdateCRC(rx.crc, tail[:at]) != pdu.Digest(tail[at:])
	}
	switch rx.sink {
	case sinkDataOut, sinkImmediate:
		c.endStream(&rx.hdr, rx.hdr.DataLen(), bad)
	case sinkCollect:
		h, data := rx.hdr, rx.whole
		ahs := rx.ahs
		rx.whole, rx.ahs = nil, nil
		return c.dispatch(&h, ahs, segment{n: len(data), whole: true, data: data, bad: bad})
	}
	return nil
}

// collect has a PDU that is not whole received into memory of its own. It is dispatched
// again then.
func (c *conn) collect(ahs []byte, n int) {
	rx := &c.rx
	rx.sink = sinkCollect
	rx.ahs = append([]byte(nil), ahs...)
	rx.whole = make([]byte, 0, n)
}

// fill waits for input and reads it: the rest of a large data segment straight into the
// buffer of its command, everything else into the receive buffer.
func (c *conn) fill() error {
	rx := &c.rx
	if rx.r > 0 {
		if rx.r < rx.w { // part of a header, or the tail of a data segment: short
			rx.w = copy(rx.buf[:], rx.buf[rx.r:rx.w])
		} else {
			rx.w = 0
		}
		rx.r = 0
	}
	if c.raw == nil {
		if rx.buf == nil {
			rx.buf = c.srv.rxBufs.Get().(*[rxBufSize]byte)
		}
		n, err := c.nc.Read(rx.buf[rx.w:])
		rx.w += n
		c.stats.bytesIn += uint64(n)
		if n > 0 {
			err = nil // the next read reports it again
		}
		return err
	}
	if rx.turns > 0 && c.stintOver() {
		c.giveWay()
	}
	err := c.raw.Read(c.readFn)
	c.wakes()
	if err != nil {
		return err
	}
	c.stats.bytesIn += uint64(rx.n)
	return rx.err
}

// readReady reads from the descriptor. It reports false if there is nothing yet; the
// receive buffer goes back to the pool then, if it is empty.
func (c *conn) readReady(fd uintptr) bool {
	rx := &c.rx
	if rx.buf == nil {
		rx.buf = c.srv.rxBufs.Get().(*[rxBufSize]byte)
	}
	if c.attempt(fd); !wouldBlock(rx.err) {
		rx.turns++
		return true
	}
	if c.srv.opt.BusyPoll > 0 && c.busyPoll(fd) {
		return true
	}
	if rx.w == 0 {
		c.dropRxBuf()
	}
	rx.turns = 0
	c.sleeps()
	return false
}

// attempt reads what is there: rx.n bytes, or rx.err.
func (c *conn) attempt(fd uintptr) {
	rx := &c.rx
	if rx.streaming && rx.left > rxBufSize/4 && rx.sink != sinkDrop {
		rx.n, rx.err = c.readDirect(fd)
	} else {
		end := rxBufSize
		if rx.large && !rx.streaming {
			end = min(end, rx.w+directTail)
		}
		rx.n, rx.err = readOnce(fd, rx.buf[rx.w:end], rx.brief())
		rx.w += rx.n
	}
}

// readDirect reads the rest of a data segment to where it goes, and a little of what
// follows into the receive buffer, which is empty. It holds c.dmu, so that an abort can
// take the command's buffer away between two reads; the reads do not wait.
func (c *conn) readDirect(fd uintptr) (int, error) {
	rx := &c.rx
	iov := rx.iov[:0]
	direct := 0
	if rx.sink == sinkCollect {
		direct = rx.left
		k := len(rx.whole)
		iov = append(iov, rx.whole[k:k+direct])
	} else {
		c.dmu.Lock()
		defer c.dmu.Unlock()
		if rx.into != nil {
			if direct = min(rx.left, rx.room); direct > 0 {
				iov = rx.into.in.buf.Append(iov, rx.off, direct)
			}
		}
	}
	// Behind what is stored comes the next PDU, or what is dropped.
	ahead := directTail
	if direct <= 0 {
		direct, ahead = 0, rxBufSize
	}
	iov = append(iov, rx.buf[:ahead])
	if cap(rx.vec) == 0 {
		rx.vec = make([]iovec, 0, 64)
	}
	n, err := readvOnce(fd, iov, rx.vec)
	clear(rx.vec[:min(len(iov), cap(rx.vec))]) // else it would keep memory that goes back to its pool
	if k := min(n, direct); k > 0 {
		if c.par.DataDigest {
			rx.crc = updateCRCVec(rx.crc, iov, k)
		}
		rx.left -= k
		if rx.sink == sinkCollect {
			rx.whole = rx.whole[:len(rx.whole)+k]
		} else {
			rx.off += k
			rx.room -= k
		}
		rx.w = n - k
	} else if n > 0 {
		rx.w = n
	}
	clear(iov)
	rx.iov = iov[:0]
	return n, err
}

// updateCRCVec returns the CRC32C of what crc was computed over, followed by the first n
// bytes of v.
func updateCRCVec(crc uint32, v [][]byte, n int) uint32 {
	for _, p := range v {
		p = p[:min(n, len(p))]
		crc = pdu.UpdateCRC(crc, p)
		if n -= len(p); n == 0 {
			break
		}
	}
	return crc
}

// dropRxBuf gives the receive buffer, which has nothing in it, to other connections.
func (c *conn) dropRxBuf() {
	if c.rx.buf != nil {
		c.srv.rxBufs.Put(c.rx.buf)
		c.rx.buf = nil
	}
}

// unexpected turns the end of the stream in the middle of a PDU into an error of its own.
func (c *conn) unexpected(err error) error {
	if err == io.EOF && (c.rx.streaming || c.rx.w > c.rx.r) {
		return io.ErrUnexpectedEOF
	}
	return err
}
