package iscsi

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParsePairs(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []pair
		err  error
	}{
		{"", nil, nil},
		{"\x00\x00\x00", nil, nil},
		{"A=1\x00B=2\x00", []pair{{"A", "1"}, {"B", "2"}}, nil},
		{"A=\x00", []pair{{"A", ""}}, nil},
		{"A=b=c\x00", []pair{{"A", "b=c"}}, nil},
		{"A=1\x00\x00B=2", []pair{{"A", "1"}, {"B", "2"}}, nil},
		{"X-com.example.a_b+c@d#e=1\x00", []pair{{"X-com.example.a_b+c@d#e", "1"}}, nil},
		{strings.Repeat("k", 63) + "=1\x00", []pair{{strings.Repeat("k", 63), "1"}}, nil},
		{strings.Repeat("k", 64) + "=1\x00", nil, errTextFormat},
		{"A\x00", nil, errTextFormat},
		{"=1\x00", nil, errTextFormat},
		{"A b=1\x00", nil, errTextFormat},
		{"Ä=1\x00", nil, errTextFormat},
		{strings.Repeat("A=1\x00", maxTextKeys+1), nil, errTextManyKeys},
	} {
		got, err := parsePairs(nil, []byte(tc.in))
		require.ErrorIs(t, err, tc.err, "%q", tc.in)
		if tc.err == nil {
			require.Equal(t, tc.want, got, "%q", tc.in)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "1": 1, "65535": 65535, "0x0": 0, "0x00ff": 255, "0XFf": 255,
		"18446744073709551615": 1<<64 - 1, "0xffffffffffffffff": 1<<64 - 1,
	} {
		got, ok := parseNumber(in)
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		"", "0x", "x", "-1", "+1", "0x-1", "0x+1", "01", "00", "1 ", " 1", "1_000", "1e3",
		"18446744073709551616", "0b1", "Yes",
	} {
		_, ok := parseNumber(in)
		require.False(t, ok, in)
	}
}

func TestParseRange(t *testing.T) {
	lo, hi, ok := parseRange("2048~0x2000")
	require.True(t, ok)
	require.Equal(t, []uint64{2048, 8192}, []uint64{lo, hi})
	_, _, ok = parseRange("7~7")
	require.True(t, ok)
	for _, in := range []string{"", "1", "~", "1~", "~1", "2~1", "1~2~3", "a~b"} {
		_, _, ok := parseRange(in)
		require.False(t, ok, in)
	}
}

func TestAppendBinary(t *testing.T) {
	for in, want := range map[string][]byte{
		"0x00":       {0},
		"0XaBcD":     {0xAB, 0xCD},
		"0xabc":      {0x0A, 0xBC},
		"0bAQID":     {1, 2, 3},
		"0BAQI=":     {1, 2},
		"0bAQ==":     {1},
		"0bAQ":       {1},
		"0b+/8=":     {0xFB, 0xFF},
		"0x01020304": {1, 2, 3, 4},
		"0bAQIDBA==": {1, 2, 3, 4},
	} {
		got, err := appendBinary([]byte("dst"), in, 4)
		require.NoError(t, err, in)
		require.Equal(t, append([]byte("dst"), want...), got, in)
	}
	for in, want := range map[string]error{
		"": errBinaryFormat, "0": errBinaryFormat, "0x": errBinaryFormat, "0b": errBinaryFormat,
		"12": errBinaryFormat, "0xg0": errBinaryFormat, "0b*": errBinaryFormat, "0bA": errBinaryFormat,
		"0bAQ\nID": errBinaryFormat, "0bA=Q=": errBinaryFormat, "1x00": errBinaryFormat,
		"0x0102030405": errBinaryLength, "0x010203040": errBinaryLength, "0bAQIDBAU=": errBinaryLength,
	} {
		got, err := appendBinary([]byte("dst"), in, 4)
		require.ErrorIs(t, err, want, in)
		require.Equal(t, []byte("dst"), got, in)
	}
}

func TestTextInput(t *testing.T) {
	var in textInput
	whole := []byte("A=1\x00")
	text, complete, err := in.add(whole, false)
	require.NoError(t, err)
	require.True(t, complete)
	require.Same(t, &whole[0], &text[0], "a text of one PDU is not copied")

	for _, part := range []string{"A=", "", "1\x00B"} {
		_, complete, err = in.add([]byte(part), true)
		require.NoError(t, err)
		require.False(t, complete)
	}
	text, complete, err = in.add([]byte("=2\x00"), false)
	require.NoError(t, err)
	require.True(t, complete)
	require.Equal(t, "A=1\x00B=2\x00", string(text))

	text, complete, err = in.add(nil, false)
	require.NoError(t, err)
	require.True(t, complete)
	require.Empty(t, text, "nothing is left over")

	_, _, err = in.add(make([]byte, maxTextLen), true)
	require.NoError(t, err)
	_, _, err = in.add(make([]byte, 1), true)
	require.ErrorIs(t, err, errTextTooLong)
	in.reset()
	_, complete, err = in.add(make([]byte, maxTextLen), false)
	require.NoError(t, err)
	require.True(t, complete)
}

func TestCutText(t *testing.T) {
	for _, tc := range []struct {
		text      string
		limit     int
		now, rest string
	}{
		{"", 4, "", ""},
		{"A=1\x00", 4, "A=1\x00", ""},
		{"A=1\x00B=2\x00", 4, "A=1\x00", "B=2\x00"},
		{"A=1\x00B=2\x00", 7, "A=1\x00", "B=2\x00"},
		{"A=1\x00B=2\x00", 8, "A=1\x00B=2\x00", ""},
		{"A=12345\x00", 4, "A=12", "345\x00"},
	} {
		now, rest := cutText([]byte(tc.text), tc.limit)
		require.Equal(t, tc.now, string(now))
		require.Equal(t, tc.rest, string(rest))
	}
	text := []byte("A=1\x00B=2\x00")
	now, rest := cutText(text, 4)
	_ = append(now, "XX"...)
	require.Equal(t, "B=2\x00", string(rest), "appending to one does not reach the other")
}

// FuzzText checks the text codec: what is parsed can be built again, in whatever pieces it
// came and goes.
func FuzzText(f *testing.F) {
	f.Add([]byte("A=1\x00B=2\x00"), uint8(3))
	f.Add([]byte("InitiatorName=iqn.2026-11.com.example:i"), uint8(0))
	f.Add([]byte("A\x00=1\x00\xff=\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		pairs, err := parsePairs(nil, text)
		require.LessOrEqual(t, len(pairs), maxTextKeys)
		if err != nil {
			return
		}
		var built []byte
		for _, p := range pairs {
			require.NotEmpty(t, p.key)
			require.LessOrEqual(t, len(p.key), maxKeyLen)
			require.NotContains(t, p.value, "\x00")
			built = appendPair(built, p.key, p.value)
		}
		var in textInput
		size := int(piece) + 1
		for rest := built; ; {
			var now []byte
			now, rest = cutText(rest, size)
			require.LessOrEqual(t, len(now), size)
			whole, complete, err := in.add(now, len(rest) > 0)
			if err != nil {
				require.Greater(t, len(built), maxTextLen)
				return
			}
			if complete {
				require.True(t, bytes.Equal(built, whole))
				break
			}
		}
		again, err := parsePairs(nil, built)
		require.NoError(t, err)
		require.Equal(t, len(pairs), len(again))
		for i := range pairs {
			require.Equal(t, pairs[i], again[i])
		}
	})
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"0x1F", "12~0x20", "0bAQ==", "Yes", "None,CRC32C"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := parseNumber(s); ok {
			got, ok := parseNumber(strconv.FormatUint(v, 10))
			require.True(t, ok)
			require.Equal(t, v, got)
		}
		if lo, hi, ok := parseRange(s); ok {
			require.LessOrEqual(t, lo, hi)
		}
		if b, err := appendBinary(nil, s, 16); err == nil {
			require.LessOrEqual(t, len(b), 16)
		} else {
			require.Empty(t, b)
		}
		if v := choose(s, []string{digestCRC32C, valueNone}, true); v != "" {
			require.Contains(t, s, v)
		}
	})
}
