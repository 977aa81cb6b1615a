package file

// gather fills dst from iov, less at bytes of its first element, and returns what is left.
func gather(dst []byte, iov [][]byte, at int) (rest [][]byte, restAt int) {
	for len(dst) > 0 {
		n := copy(dst, iov[0][at:])
		dst, at = dst[n:], at+n
		if at == len(iov[0]) {
			iov, at = iov[1:], 0
		}
	}
	return iov, at
}

// scatter is gather in the other direction.
func scatter(src []byte, iov [][]byte, at int) (rest [][]byte, restAt int) {
	for len(src) > 0 {
		n := copy(iov[0][at:], src)
		src, at = src[n:], at+n
		if at == len(iov[0]) {
			iov, at = iov[1:], 0
		}
	}
	return iov, at
}
