package osfile

import "github.com/goscst/goscst/backstore"

// maxVec is the largest number of elements of a system call (IOV_MAX).
const maxVec = 1024

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
// to maxVec. After a transfer that ended within an element, that one goes alone.
func (c *Cursor) whole(few int, off int64, blockSize int) int {
	most := maxVec
	if c.At > 0 {
		most = 1
	}
	k, end := 0, int(off&int64(blockSize-1))-c.At
	for i, b := range c.Iov[:min(len(c.Iov), most)] {
		if end += len(b); end&(blockSize-1) == 0 {
			if k = i + 1; k >= few {
				break
			}
		}
	}
	return k
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
