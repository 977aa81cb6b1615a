package spc

import "encoding/binary"

// bit is 1<<n if v is set, else 0.
func bit(v bool, n uint) byte {
	if v {
		return 1 << n
	}
	return 0
}

// has reports whether bit n of b is set.
func has(b byte, n uint) bool { return b>>n&1 != 0 }

// put16 and put32 write big-endian integers, cut to their largest value.
func put16(b []byte, v int)    { binary.BigEndian.PutUint16(b, uint16(min(max(v, 0), 0xFFFF))) }
func put32(b []byte, v uint64) { binary.BigEndian.PutUint32(b, uint32(min(v, 0xFFFFFFFF))) }

// zeros appends n zero bytes.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}

// appendASCII appends s as a left-aligned field of n bytes (SPC-4 4.3.1): bytes that are not
// printable ASCII become spaces, and so does the rest of the field.
func appendASCII(dst []byte, s string, n int) []byte {
	for i := range n {
		c := byte(' ')
		if i < len(s) && s[i] >= 0x20 && s[i] < 0x7F {
			c = s[i]
		}
		dst = append(dst, c)
	}
	return dst
}

// trimASCII is the text of a left-aligned field, without the spaces and zeros at its end.
func trimASCII(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return string(b)
}
