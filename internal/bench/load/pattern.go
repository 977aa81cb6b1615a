package load

import "encoding/binary"

// word is what the 8 bytes at byte offset 8*i of a logical unit hold after a write: a
// different value for each i, and hard to compress (the finaliser of splitmix64).
func word(i uint64) uint64 {
	i = (i + 1) * 0x9e3779b97f4a7c15
	i = (i ^ i>>30) * 0xbf58476d1ce4e5b9
	i = (i ^ i>>27) * 0x94d049bb133111eb
	return i ^ i>>31
}

// fill writes the pattern for byte offset at into b. Both are multiples of 8.
func fill(b []byte, at uint64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], word((at+uint64(i))/8))
	}
}

// holds reports whether b has the pattern for byte offset at.
func holds(b []byte, at uint64) bool {
	for i := 0; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:]) != word((at+uint64(i))/8) {
			return false
		}
	}
	return true
}
