package iscsi

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"iqn.2001-04.com.example",
		"iqn.2001-04.com.example:storage.disk1:a",
		"iqn.2026-11.io.github.goscst:target",
		"IQN.2001-04.COM.Example:A",
		"iqn.2001-12.com.example:größe",
		"eui.02004567A425678D",
		"naa.52004567BA64678D",
		"naa.62004567BA64678D0123456789ABCDEF",
		"iqn.2001-04.com.example:" + strings.Repeat("x", maxNameLen-24),
	} {
		require.NoError(t, CheckName(name), name)
	}
	for _, name := range []string{
		"",
		"disk",
		"iqn",
		"iqn.",
		"iqn.2001-04",
		"iqn.2001-04.",
		"iqn.2001-13.com.example",
		"iqn.2001-00.com.example",
		"iqn.01-04.com.example:x",
		"iqn.2001-4.com.example:x",
		"iqn.2001-04.com..example:x",
		"iqn.2001-04.com.example.:x",
		"iqn.2001-04.-com.example:x",
		"iqn.2001-04.com.example:",
		"iqn.2001-04.com.example:a b",
		"iqn.2001-04.com.example:a/b",
		"iqn.2001-04.com.example:a_b",
		"iqn.2001-04.com.example:a,b",
		"iqn.2001-04.com.example:a\x00b",
		"iqn.2001-04.com.example:\xff",
		"iqn.2001-04.com.example:a\u00a0b", // no-break space
		"iqn.2001-04.com.example:a\u200eb", // direction mark
		"iqn.2001-04.com.example:a\ue000b", // private use
		"iqn.2001-04.com.example:a\u3002b", // ideographic full stop
		"iqn.2001-04.com.example:a\uffffb", // not a character
		"eui.02004567A425678",
		"eui.02004567A425678DE",
		"eui.02004567A425678G",
		"naa.52004567BA64678",
		"naa.52004567BA64678D00",
		"iqn.2001-04.com.example:" + strings.Repeat("x", maxNameLen-23),
	} {
		require.Error(t, CheckName(name), name)
	}
}

func TestNormalizeName(t *testing.T) {
	for in, want := range map[string]string{
		"iqn.1991-05.com.microsoft:SERVER_1": "iqn.1991-05.com.microsoft:server_1",
		"Anything-at-all.9":                  "anything-at-all.9",
		"ÄÖÜ":                                "äöü",
	} {
		got, err := normalizeName(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := normalizeName(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	// The lower-case form of this letter takes three bytes instead of two.
	_, err := normalizeName(strings.Repeat("Ⱥ", maxNameLen/2))
	require.ErrorIs(t, err, errNameLength)
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"iqn.2001-04.com.example:Ä", "eui.02004567A425678D", "naa.", "x\xff", "Ⱥ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := normalizeName(s)
		if err != nil {
			require.Error(t, CheckName(s))
			return
		}
		require.NotEmpty(t, n)
		require.LessOrEqual(t, len(n), maxNameLen)
		require.NotContains(t, n, "\x00")
		require.NotContains(t, n, ",")
		if CheckName(s) == nil {
			require.NoError(t, CheckName(n))
		}
	})
}
