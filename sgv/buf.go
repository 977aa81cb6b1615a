package sgv

import (
	"errors"
	"io"
	"sync/atomic"
)

// Buf is a reference-counted scatter-gather buffer of fixed length. It has one owner at a time, who
// may hand it on or end it with Release; more owners need Retain. Reading and writing its memory
// is not synchronised. Bytes that no owner has written are left over from an earlier use and
// must never leave the process.
//
// Release and Retain of a buffer without references panic. In builds with -tags scsidebug every use
// of a released Buf panics, also when its memory was given to a new owner meanwhile.
type Buf struct {
	refs  atomic.Int32
	stamp uint32 // shard epoch of the last Release
	n     int    // length
	home  *shard // where it returns to
	lim   *Limit // charged with size; nil: none
	segs  [][]byte
	one   [1][]byte // backing of hdr for one segment

	size    int64    // capacity in bytes: what is charged and counted
	hdr     [][]byte // every segment; segs is a prefix of it
	whole   []byte   // the untrimmed form of hdr[trim]
	trim    int      // index of the segment that is trimmed, or -1
	shift   uint8    // log2 of the segment length; irregular: any lengths
	class   uint8
	next    *Buf // chain of buffers on their way to the Allocator
	dbg     debugBuf
	release func() // of a wrapped buffer
}

// irregular is the shift of a buffer whose segments have different lengths.
const irregular = 0xFF

var errNegativeOffset = errors.New("sgv: negative offset")

// Len returns the length in bytes that was asked for.
func (b *Buf) Len() int {
	if debug {
		b.debugCheck()
	}
	return b.n
}

// Segs returns the memory of b in order: no element is empty, their lengths add up to Len. The
// slice is valid until the last Release and must not be modified (its elements' bytes may); code that
// consumes headers, like net.Buffers, needs the copy that Append makes.
func (b *Buf) Segs() [][]byte {
	if debug {
		b.debugCheck()
	}
	return b.segs
}

// Append appends the segments that cover [off, off+n) to dst and returns the result. The headers
// are the caller's, the memory stays that of b. A range that is not within b panics, like slicing does.
// Nothing is allocated if dst has room.
func (b *Buf) Append(dst [][]byte, off, n int) [][]byte {
	if debug {
		b.debugCheck()
	}
	if off < 0 || n < 0 || n > b.n-off {
		panic("sgv: Buf.Append out of range")
	}
	if n == 0 {
		return dst
	}
	i, off := b.locate(off)
	for {
		seg := b.segs[i][off:]
		if n <= len(seg) {
			return append(dst, seg[:n:n])
		}
		dst = append(dst, seg)
		n -= len(seg)
		off = 0
		i++
	}
}

// ReadAt copies from b at off into p. It returns io.EOF if less than len(p) bytes follow off.
func (b *Buf) ReadAt(p []byte, off int64) (int, error) {
	if debug {
		b.debugCheck()
	}
	if off < 0 {
		return 0, errNegativeOffset
	}
	if off > int64(b.n) {
		return 0, io.EOF
	}
	var err error
	if int64(len(p)) > int64(b.n)-off {
		p, err = p[:b.n-int(off)], io.EOF
	}
	n := len(p)
	if n == 0 {
		return 0, err
	}
	i, o := b.locate(int(off))
	for {
		c := copy(p, b.segs[i][o:])
		if p = p[c:]; len(p) == 0 {
			return n, err
		}
		o = 0
		i++
	}
}

// WriteAt copies p into b at off. It returns io.ErrShortWrite if p does not fit, having written
// what does: parameter data is cut to the allocation length this way.
func (b *Buf) WriteAt(p []byte, off int64) (int, error) {
	if debug {
		b.debugCheck()
	}
	if len(b.segs) > 0 {
		first := b.segs[0]
		if off >= 0 && off <= int64(len(first)) && len(p) <= len(first)-int(off) {
			return copy(first[off:], p), nil
		}
	}
	return b.writeAt(p, off)
}

func (b *Buf) writeAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegativeOffset
	}
	if off > int64(b.n) {
		return 0, io.ErrShortWrite
	}
	var err error
	if int64(len(p)) > int64(b.n)-off {
		p, err = p[:b.n-int(off)], io.ErrShortWrite
	}
	n := len(p)
	if n == 0 {
		return 0, err
	}
	i, o := b.locate(int(off))
	for {
		c := copy(b.segs[i][o:], p)
		if p = p[c:]; len(p) == 0 {
			return n, err
		}
		o = 0
		i++
	}
}

// Retain adds a reference and returns b. It does not block.
func (b *Buf) Retain() *Buf {
	for {
		r := b.refs.Load()
		if r <= 0 {
			b.misuse("Retain")
		}
		if b.refs.CompareAndSwap(r, r+1) {
			return b
		}
	}
}

// Release gives up a reference. With the last one the buffer goes back to its pool and the charge is
// taken off its Limit; neither b nor its segments may be used any more. It does not block, and
// allocates nothing.
func (b *Buf) Release() {
	r := b.refs.Add(-1)
	if r > 0 {
		return
	}
	if r < 0 {
		b.misuse("Release")
	}
	if debug {
		b = b.debugBury()
	}
	lim, size := b.lim, b.size
	b.lim = nil
	b.home.put(b)
	if lim != nil {
		// After put: the memory is reusable before it is accounted as such.
		lim.uncharge(size, nil)
	}
}

// misuse panics because of a call of op on a buffer without references.
func (b *Buf) misuse(op string) {
	panic("sgv: " + op + " of a released buffer" + b.debugStory())
}

// locate returns the index of the segment with byte off, which must exist, and the offset in it.
func (b *Buf) locate(off int) (i, o int) {
	if b.shift != irregular {
		return off >> b.shift, off & (1<<b.shift - 1)
	}
	for off >= len(b.segs[i]) {
		off -= len(b.segs[i])
		i++
	}
	return i, off
}

// setLen makes b a buffer of n bytes, within its capacity. b has regular segments.
func (b *Buf) setLen(n int) {
	if b.n == n {
		return
	}
	if b.trim >= 0 {
		b.hdr[b.trim] = b.whole
		b.trim = -1
	}
	b.n = n
	k := 0
	if n > 0 {
		k = (n-1)>>b.shift + 1
		last := b.hdr[k-1]
		if rest := n - (k-1)<<b.shift; rest < len(last) {
			b.whole, b.trim = last, k-1
			b.hdr[k-1] = last[:rest:rest]
		}
	}
	b.segs = b.hdr[:k:k]
}
