package sbc

import "errors"

// Errors of parsers. They are for initiators and tools; functions that read what an
// initiator sent return sense codes instead, and say so.
var (
	ErrShort  = errors.New("sbc: parameter data too short")         // cut inside of a field or descriptor
	ErrFormat = errors.New("sbc: parameter data of another format") // another page, or a length that is not its own
)

// bit is 1<<n if v is set, else 0.
func bit(v bool, n uint) byte {
	if v {
		return 1 << n
	}
	return 0
}

// has reports whether bit n of b is set.
func has(b byte, n uint) bool { return b>>n&1 != 0 }

// zeros appends n zero bytes.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
