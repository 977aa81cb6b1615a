package main

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "512": 512, "4KiB": 4096, "64MiB": 64 << 20, "10GiB": 10 << 30, "7TiB": 7 << 40, "8388607TiB": 8388607 << 40,
	} {
		n, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "0", "-1", "+1", "1.5GiB", "1kB", "1K", "MiB", "8388608TiB", "9223372036854775808", "1 MiB", "0MiB"} {
		_, err := parseSize(text)
		require.ErrorContains(t, err, "is allowed", text)
	}
	for n, want := range map[int64]string{512: "512 bytes", 1024: "1 KiB", 1536: "1536 bytes", 64 << 20: "64 MiB", 3 << 40: "3 TiB"} {
		require.Equal(t, want, formatSize(n))
	}
}

func TestParseLUN(t *testing.T) {
	plain := lunSpec{block: 512, physExp: 3}
	with := func(f func(*lunSpec)) lunSpec {
		s := plain
		f(&s)
		return s
	}
	for text, want := range map[string]lunSpec{
		"mem:64MiB":                           with(func(s *lunSpec) { s.kind, s.size = "mem", 64<<20 }),
		"null:1TiB":                           with(func(s *lunSpec) { s.kind, s.size = "null", 1<<40 }),
		"file:a":                              with(func(s *lunSpec) { s.kind, s.path = "file", "a" }),
		"file:a:512":                          with(func(s *lunSpec) { s.kind, s.path, s.size = "file", "a", 512 }),
		"uring:a":                             {kind: "uring", path: "a", physExp: -1},
		"uring:a:1MiB,direct":                 {kind: "uring", path: "a", size: 1 << 20, physExp: -1, direct: true},
		"uring:a,blocksize=512":               with(func(s *lunSpec) { s.kind, s.path = "uring", "a" }),
		"uring:a,direct,arena=64MiB":          {kind: "uring", path: "a", physExp: -1, direct: true, arena: 64 << 20},
		"block:/dev/sdb,ro":                   {kind: "block", path: "/dev/sdb", physExp: -1, readOnly: true},
		"block:/dev/a:1,blocksize=4096":       {kind: "block", path: "/dev/a:1", block: 4096},
		"file:C:\\x":                          with(func(s *lunSpec) { s.kind, s.path = "file", "C:\\x" }),
		"file:a:b:1KiB":                       with(func(s *lunSpec) { s.kind, s.path, s.size = "file", "a:b", 1024 }),
		"mem:1MiB,blocksize=4096":             with(func(s *lunSpec) { s.kind, s.size, s.block, s.physExp = "mem", 1<<20, 4096, 0 }),
		"mem:1MiB,physexp=0,ro,removable":     with(func(s *lunSpec) { s.kind, s.size, s.physExp, s.readOnly, s.removable = "mem", 1<<20, 0, true, true }),
		"mem:1MiB,thin=off,wce=off,workers=9": with(func(s *lunSpec) { s.kind, s.size, s.thick, s.wce, s.workers = "mem", 1<<20, true, "off", 9 }),
		"mem:1MiB,depth=1024":                 with(func(s *lunSpec) { s.kind, s.size, s.depth = "mem", 1<<20, 1024 }),
		"file:x,direct,serial=A 1,thin=on":    with(func(s *lunSpec) { s.kind, s.path, s.direct, s.serial = "file", "x", true, "A 1" }),
	} {
		want.text = text
		got, err := parseLUN(text)
		require.NoError(t, err, text)
		require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(lunSpec{})), text)
	}
}

// TestFlagErrors wants each error to name the flag and the value, and what is allowed.
func TestFlagErrors(t *testing.T) {
	for _, x := range []struct{ flag, value, want string }{
		{"listen", "localhost", "HOST:PORT"},
		{"listen", "127.0.0.1:http", "0 to 65535"},
		{"listen", "127.0.0.1:65536", "0 to 65535"},
		{"debug", "8080", "HOST:PORT"},
		{"busypoll", "50", "0 to 1ms"},
		{"busypoll", "-1us", "0 to 1ms"},
		{"busypoll", "2ms", "0 to 1ms"},
		{"iqn", "disk", "an iSCSI name"},
		{"lun", "", "mem:SIZE, file:PATH[:SIZE], uring:PATH[:SIZE], block:PATH and null:SIZE"},
		{"lun", "disk", "mem:SIZE, file:PATH[:SIZE], uring:PATH[:SIZE], block:PATH and null:SIZE"},
		{"lun", "mem", "a positive number of bytes"},
		{"lun", "mem:64MB", "a positive number of bytes"},
		{"lun", "mem:100", "a multiple of the block size 512"},
		{"lun", "null:1536,blocksize=4096", "a multiple of the block size 4096"},
		{"lun", "file:", "file:PATH"},
		{"lun", "file:x:1XB", "a positive number of bytes"},
		{"lun", "mem:1MiB,blocksize=1024", "512 and 4096"},
		{"lun", "mem:1MiB,blocksize", "512 to 4096"},
		{"lun", "mem:1MiB,physexp=16", "0 to 15"},
		{"lun", "mem:1MiB,ro=1", "takes no value"},
		{"lun", "mem:1MiB,thin", "on and off"},
		{"lun", "mem:1MiB,wce=yes", "on and off"},
		{"lun", "mem:1MiB,direct", "only a file"},
		{"lun", "block:/dev/sdb,direct", "only a file"},
		{"lun", "block:", "block:PATH"},
		{"lun", "uring:", "uring:PATH"},
		{"lun", "uring:a:100", "a multiple of the block size 512"},
		{"lun", "uring:a,physexp=3", "together with blocksize="},
		{"lun", "uring:a,arena=1MiB", "2MiB to 1GiB"},
		{"lun", "uring:a,arena=2GiB", "2MiB to 1GiB"},
		{"lun", "uring:a,arena", "a positive number of bytes"},
		{"lun", "file:a,arena=2MiB", "only uring"},
		{"lun", "mem:1MiB,workers=0", "1 to 1024"},
		{"lun", "mem:1MiB,depth=0", "1 to 65536"},
		{"lun", "mem:1MiB,depth=65537", "1 to 65536"},
		{"lun", "mem:1MiB,serial=", "1 to 64 printable"},
		{"lun", "mem:1MiB,serial=\x01", "1 to 64 printable"},
		{"lun", "mem:1MiB,fast", "blocksize="},
		{"lun", "mem:1MiB,", "blocksize="},
	} {
		_, err := parseFlags([]string{"-" + x.flag, x.value}, &bytes.Buffer{})
		require.Error(t, err, x)
		require.ErrorContains(t, err, "-"+x.flag)
		require.ErrorContains(t, err, `"`+quoted(x.value))
		require.ErrorContains(t, err, x.want)
		if x.want != "takes no value" {
			require.ErrorContains(t, err, "allowed", x)
		}
	}
	_, err := parseFlags([]string{"disk.img"}, &bytes.Buffer{})
	require.ErrorContains(t, err, `argument "disk.img"`)
	_, err = parseFlags([]string{"-fast"}, &bytes.Buffer{})
	require.ErrorContains(t, err, "-fast")
}

// quoted is how package flag shows a value, without its end.
func quoted(s string) string {
	if len(s) > 0 && s[len(s)-1] < ' ' {
		return s[:len(s)-1]
	}
	return s
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	_, err := parseFlags([]string{"-help"}, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"-listen", "-iqn", "-lun", "-debug", "mem:SIZE", "uring:PATH", "block:PATH", "serial="} {
		require.Contains(t, out.String(), name)
	}
}

func TestDefaults(t *testing.T) {
	c, err := parseFlags(nil, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3260", c.listen)
	require.Equal(t, "iqn.2026-11.io.github.goscst:target", c.iqn)
	require.Len(t, c.luns, 1)
	require.Equal(t, "mem:64MiB", c.luns[0].text)
	require.Zero(t, c.poll)
	c, err = parseFlags([]string{"-busypoll", "50us"}, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, 50*time.Microsecond, c.poll)
}
