package osfile

import "github.com/goscst/goscst/backstore"

const (
	maxVec   = 1024    // elements of a system call (IOV_MAX)
	maxBytes = 1 << 30 // of a system call: less than what the system cuts at, wherever a block ends
)

// Cursor is a place in a vector. It never changes the vector.
type Cursor struct {
	Iov [][]byte // what is left
	At  int      // bytes of Iov[0] that are done
}

// More goes on to the next byte, and reports whether there is one.
func (c *Cursor) More() bool {
	for len(c.Iov) > 0 && c.At == len(c.Iov[0]) {
		c.Iov, c.At = c.Iov[1:], 0
	}
	return len(c.Iov) > 0
}

// Front is what is left of the first element. There is one.
func (c *Cursor) Front() []byte { return c.Iov[0][c.At:] }

// Left is how many bytes are left.
func (c *Cursor) Left() int64 { return backstore.Len(c.Iov) - int64(c.At) }

// Skip passes n bytes, or what is left.
func (c *Cursor) Skip(n int) {
	for n > 0 && c.More() {
		k := min(n, len(c.Iov[0])-c.At)
		n, c.At = n-k, c.At+k
	}
}

// Gather fills dst.
func (c *Cursor) Gather(dst []byte) {
	for len(dst) > 0 && c.More() {
		n := copy(dst, c.Front())
		dst, c.At = dst[n:], c.At+n
	}
}

// Scatter distributes src.
func (c *Cursor) Scatter(src []byte) {
	for len(src) > 0 && c.More() {
		n := copy(c.Front(), src)
		src, c.At = src[n:], c.At+n
	}
}

// whole returns how many elements one call for off takes: at least few, or all, and so many that
// it ends with a block, whose halves would be written in two steps. 0: there is no such number up
// to maxVec and maxBytes. After a transfer that ended within an element, that one goes alone; see piece
// for one that is too long.
func (c *Cursor) whole(few int, off int64, blockSize int) int {
	most := maxVec
	if c.At > 0 {
		most = 1
	}
	k, end := 0, int(off&int64(blockSize-1))-c.At
	for i, b := range c.Iov[:min(len(c.Iov), most)] {
		if i > 0 && len(b) > maxBytes-end {
			break
		}
		if end += len(b); end&(blockSize-1) == 0 {
			if k = i + 1; k >= few {
				break
			}
		}
	}
	return k
}

// piece is what one call for off takes of the first element, if that is all of it or ends with a block.
func (c *Cursor) piece(off int64, blockSize int) []byte {
	b := c.Front()
	if len(b) > maxBytes {
		b = b[:maxBytes-int(off&int64(blockSize-1))]
	}
	return b
}

// aligned reports whether every element consists of units.
func aligned(iov [][]byte, unit int) bool {
	for _, b := range iov {
		if len(b)&(unit-1) != 0 {
			return false
		}
	}
	return true
}
