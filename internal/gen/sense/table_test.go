package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestList(t *testing.T) {
	codes, err := parse(list)
	require.NoError(t, err)
	require.Greater(t, len(codes), 700)

	src, err := source(codes)
	require.NoError(t, err)
	have, err := os.ReadFile("../../../scsi/" + output)
	require.NoError(t, err)
	require.Equal(t, string(have), string(src), "go generate in package scsi has not been run")
}

func TestParse(t *testing.T) {
	codes, err := parse([]byte("# comment\n\n00 00 none\n40 80-ff component nn\n41 00 a/b (c)\n"))
	require.NoError(t, err)
	require.Equal(t, []code{
		{0x00, 0x00, 0x00, "none"},
		{0x40, 0x80, 0xFF, "component nn"},
		{0x41, 0x00, 0x00, "a/b (c)"},
	}, codes)
}

func TestParseRefuses(t *testing.T) {
	for _, list := range []string{
		"0 00 text",                  // one digit
		"00 0x text",                 // not hexadecimal
		"00 000 text",                // three digits
		"00 00",                      // no text
		"00 00 Text",                 // upper case
		"00 00  text",                // two spaces
		"00 00 te\u00e9xt",           // not ASCII
		"00 80-7f text",              // backwards
		"00 80-80 text",              // not a range
		"00 80- text",                // half a range
		"01 00 b\n00 00 a",           // out of order
		"00 00 a\n00 00 b",           // twice
		"40 80-ff a\n40 90 b",        // inside of a range
		"40 80-ff a\n40 f0-ff text",  // overlapping
		"40 80-ff a\n\n# x\n40 ff b", // at its end
	} {
		_, err := parse([]byte(list))
		require.Error(t, err, "%q", list)
	}
}
