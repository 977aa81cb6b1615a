package uring

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
	for n > 0 && c.norm() {
		k := min(n, len(c.iov[0])-c.at)
		n, c.at = n-k, c.at+k
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
