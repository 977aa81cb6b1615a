package block

// maxVec is the largest number of elements of a system call (IOV_MAX).
const maxVec = 1024

// cursor is a place in a vector. It never changes the vector.
type cursor struct {
	iov [][]byte // what is left
	at  int      // bytes of iov[0] that are done
}

// norm goes on to the next byte, and reports whether there is one.
func (c *cursor) norm() bool {
	for len(c.iov) > 0 && c.at == len(c.iov[0]) {
		c.iov, c.at = c.iov[1:], 0
	}
	return len(c.iov) > 0
}

// skip passes n bytes.
func (c *cursor) skip(n int) {
	for n > 0 {
		k := min(n, len(c.iov[0])-c.at)
		n, c.at = n-k, c.at+k
		c.norm()
	}
}

// gather fills dst.
func (c *cursor) gather(dst []byte) {
	for len(dst) > 0 && c.norm() {
		n := copy(dst, c.iov[0][c.at:])
		dst, c.at = dst[n:], c.at+n
	}
}

// scatter distributes src.
func (c *cursor) scatter(src []byte) {
	for len(src) > 0 && c.norm() {
		n := copy(c.iov[0][c.at:], src)
		src, c.at = src[n:], c.at+n
	}
}

// even returns how many elements one call takes: at least few, or all, and so many that no block is
// cut, whose halves would be written in two steps. 0: there is no such number up to maxVec.
func even(iov [][]byte, few, blockSize int) int {
	k, n := 0, 0
	for i, b := range iov[:min(len(iov), maxVec)] {
		n = (n + len(b)) & (blockSize - 1)
		if n == 0 {
			if k = i + 1; k >= few {
				break
			}
		}
	}
	return k
}

// whole reports whether every element consists of units.
func whole(iov [][]byte, unit int) bool {
	for _, b := range iov {
		if len(b)&(unit-1) != 0 {
			return false
		}
	}
	return true
}
