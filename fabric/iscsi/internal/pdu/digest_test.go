package pdu

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCRCVectors has the examples of RFC 7143 A.4 in the byte order of the wire.
func TestCRCVectors(t *testing.T) {
	up, down := make([]byte, 32), make([]byte, 32)
	ones := make([]byte, 32)
	for i := range up {
		up[i], down[i], ones[i] = byte(i), byte(31-i), 0xFF
	}
	read, err := hex.DecodeString("01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000")
	require.NoError(t, err)
	for want, in := range map[string][]byte{
		"aa36918a": make([]byte, 32),
		"43aba862": ones,
		"4e79dd46": up,
		"5cdb3f11": down,
		"563a96d9": read,
	} {
		require.Equal(t, want, hex.EncodeToString(AppendDigest(nil, CRC(in))))
		var b [4]byte
		PutDigest(b[:], CRC(in))
		require.Equal(t, CRC(in), Digest(b[:]))
		require.Equal(t, CRC(in), CRCVec([][]byte{in[:5], {}, in[5:31], in[31:]}), "pieces")
		require.Equal(t, CRC(in), UpdateCRC(CRC(in[:9]), in[9:]))
	}
}

func TestCRCPadding(t *testing.T) {
	data := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for n := range data {
		padded := append(append([]byte(nil), data[:n]...), make([]byte, Pad(n))...)
		require.Zero(t, len(padded)%4)
		require.Equal(t, CRC(padded), CRCVec([][]byte{data[:n/2], data[n/2 : n]}), n)
		require.Equal(t, CRC(padded), CRCPad(CRC(data[:n]), n), n)
	}
}

func TestSerial(t *testing.T) {
	for _, tc := range []struct {
		a, b uint32
		less bool
	}{
		{0, 1, true},
		{1, 0, false},
		{5, 5, false},
		{math.MaxUint32, 0, true},
		{0, math.MaxUint32, false},
		{math.MaxUint32 - 3, 4, true},
		{0, 1<<31 - 1, true},
		{0, 1 << 31, false}, // no order
		{1 << 31, 0, false}, // no order
		{0, 1<<31 + 1, false},
	} {
		require.Equal(t, tc.less, Less(tc.a, tc.b), tc)
		require.Equal(t, tc.less || tc.a == tc.b, LessEq(tc.a, tc.b), tc)
	}
	require.Equal(t, int32(2), Diff(1, math.MaxUint32))
	require.Equal(t, int32(-2), Diff(math.MaxUint32, 1))

	require.True(t, InWindow(5, 5, 5))
	require.False(t, InWindow(5, 5, 4), "a closed window takes nothing")
	require.False(t, InWindow(4, 5, 4))
	require.True(t, InWindow(1, math.MaxUint32, 3))
	require.False(t, InWindow(4, math.MaxUint32, 3))
	require.False(t, InWindow(math.MaxUint32-1, math.MaxUint32, 3))
}
