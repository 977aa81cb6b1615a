package pdu

import (
	"encoding/binary"
	"hash/crc32"
)

// DigestLen is the length in bytes of a header or data digest.
const DigestLen = 4

// castagnoli is the table of CRC32C; the standard library computes over this one table
// with the CPU's instruction where there is one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// zeros are pad bytes.
var zeros [4]byte

// CRC returns the CRC32C of p (RFC 7143 13.1).
func CRC(p []byte) uint32 { return crc32.Update(0, castagnoli, p) }

// UpdateCRC returns the CRC32C of what crc was computed over, followed by p.
func UpdateCRC(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// CRCPad returns the CRC32C of what crc was computed over, followed by the pad bytes
// behind a data segment of n bytes. The digest covers them (RFC 7143 11.2.4).
func CRCPad(crc uint32, n int) uint32 {
	if p := Pad(n); p != 0 {
		return crc32.Update(crc, castagnoli, zeros[:p])
	}
	return crc
}

// CRCVec returns the data digest of the segments in v taken together, with the zero pad
// bytes behind them.
func CRCVec(v [][]byte) uint32 {
	var crc uint32
	n := 0
	for _, p := range v {
		crc = crc32.Update(crc, castagnoli, p)
		n += len(p)
	}
	return CRCPad(crc, n)
}

// PutDigest writes crc to the first four bytes of b in the order of the wire: the
// polynomial's bits are reflected, so its bytes go least significant first.
func PutDigest(b []byte, crc uint32) { binary.LittleEndian.PutUint32(b, crc) }

// AppendDigest appends crc to dst in the order of the wire.
func AppendDigest(dst []byte, crc uint32) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc)
}

// Digest reads a digest from the first four bytes of b, which has at least so many.
func Digest(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
