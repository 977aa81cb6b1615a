//go:build !linux

package wire

// Zeros returns n bytes of zeroes, which nobody may change.
func Zeros(n int) ([]byte, error) { return make([]byte, n), nil }

// HugePage is what Memory's length is a multiple of, in bytes.
const HugePage = 2 << 20

// Memory returns n bytes of memory. Free gives it back.
func Memory(n int) ([]byte, error) { return make([]byte, n), nil }

// Free is for the collector to do.
func Free([]byte) {}
