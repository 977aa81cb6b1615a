package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStepNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range steps() {
		require.False(t, seen[s.name], s.name)
		seen[s.name] = true
		require.NotEmpty(t, s.doc)
		require.NotNil(t, s.run)
	}
}

func TestSelectSteps(t *testing.T) {
	all := []step{{name: "a"}, {name: "b"}, {name: "c"}}
	names := func(list []step) (s string) {
		for _, x := range list {
			s += x.name
		}
		return s
	}
	for _, c := range []struct{ args, want string }{
		{"", "abc"}, {"b", "b"}, {"c a", "ac"},
	} {
		got, err := selectSteps(all, strings.Fields(c.args))
		require.NoError(t, err)
		require.Equal(t, c.want, names(got))
	}
	_, err := selectSteps(all, []string{"a", "x"})
	require.ErrorContains(t, err, `"x"`)
}

func TestCheckStopsAtTheFirstFailureOrGoesOn(t *testing.T) {
	var ran string
	named := func(name string, err error) step {
		return step{name: name, run: func(*checker, context.Context) error { ran += name; return err }}
	}
	all := []step{named("a", nil), named("b", errors.New("broken")), named("c", nil)}
	for _, c := range []struct {
		keepGoing bool
		ran       string
		out       string
	}{
		{false, "ab", "1 steps were not run"},
		{true, "abc", "b      FAILED"},
	} {
		ran = ""
		var out strings.Builder
		err := (&checker{options: options{keepGoing: c.keepGoing}, out: &out}).check(t.Context(), all)
		require.EqualError(t, err, "failed: b")
		require.Equal(t, c.ran, ran)
		require.Contains(t, out.String(), c.out)
		require.Contains(t, out.String(), "broken")
	}
	ran = ""
	require.NoError(t, (&checker{out: io.Discard}).check(t.Context(), all[:1]))
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := step{name: "a", run: func(*checker, context.Context) error { cancel(); return nil }}
	var out strings.Builder
	err := (&checker{options: options{keepGoing: true}, out: &out}).check(ctx, []step{s, s})
	require.EqualError(t, err, "failed: a")
	require.Contains(t, out.String(), "1 steps were not run")
}

func TestCommandLine(t *testing.T) {
	for _, args := range []string{"", "build", "check nosuchstep", "check -nosuchflag"} {
		var stderr strings.Builder
		err := command(t.Context(), strings.Fields(args), io.Discard, &stderr)
		require.ErrorIs(t, err, errUsage, args)
		require.NotEmpty(t, stderr.String(), args)
	}
	var help strings.Builder
	require.NoError(t, command(t.Context(), []string{"check", "-h"}, io.Discard, &help))
	require.Contains(t, help.String(), "-fuzztime")
	var stdout strings.Builder
	require.NoError(t, command(t.Context(), []string{"steps"}, &stdout, io.Discard))
	require.Len(t, lines(stdout.String()), len(steps()))
}

func TestFlags(t *testing.T) {
	var o options
	require.NoError(t, o.flags(io.Discard).Parse(strings.Fields("-k -fresh -fuzztime 7s -timeout 2m fuzz")))
	require.Equal(t, options{true, true, 7 * time.Second, 2 * time.Minute}, o)
	o = options{}
	require.NoError(t, o.flags(io.Discard).Parse(nil))
	require.Equal(t, options{false, false, defaultFuzzTime, defaultTestTimeout}, o)
}

func TestRunReportsTheCommandThatFailed(t *testing.T) {
	var out strings.Builder
	c := &checker{root: ".", out: &out}
	err := c.run(t.Context(), []string{"A=1"}, "go", "nosuchcommand")
	require.ErrorContains(t, err, "A=1 go nosuchcommand")
	require.Contains(t, out.String(), "+ A=1 go nosuchcommand")
	require.Contains(t, out.String(), "unknown command")
	_, err = c.output(t.Context(), "go", "nosuchcommand")
	require.ErrorContains(t, err, "unknown command")
}

func TestParseFuzzList(t *testing.T) {
	got, err := parseFuzzList(strings.NewReader(`
{"Action":"start","Package":"m/b"}
{"Action":"output","Package":"m/b","Output":"FuzzZ\n"}
{"Action":"output","Package":"m/b","Output":"FuzzA\n"}
{"Action":"output","Package":"m/b","Output":"ok  \tm/b\t0.01s\n"}
{"Action":"output","Package":"m/a","Output":"FuzzB\n"}
{"Action":"output","Package":"m/c","Output":"?   \tm/c\t[no test files]\n"}
`))
	require.NoError(t, err)
	require.Equal(t, []fuzzTarget{{"m/a", "FuzzB"}, {"m/b", "FuzzA"}, {"m/b", "FuzzZ"}}, got)
	_, err = parseFuzzList(strings.NewReader("FuzzA\n"))
	require.Error(t, err)
}

func TestLateEnd(t *testing.T) {
	require.True(t, lateEnd("--- FAIL: FuzzX (3.02s)\n    context deadline exceeded\nFAIL\n"))
	require.False(t, lateEnd("context deadline exceeded\nFailing input written to testdata/fuzz/FuzzX/1\n"))
	require.False(t, lateEnd("--- FAIL: FuzzX\n    panic: context deadline exceeded\n"))
	require.False(t, lateEnd("--- FAIL: FuzzX\n"))
}

func TestGeneratedFiles(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("a/zcodes.go", "1")
	write("a/codes.go", "1")
	write(".git/z.go", "1")
	before, err := generatedFiles(root)
	require.NoError(t, err)
	require.Equal(t, map[string][sha256.Size]byte{"a/zcodes.go": sha256.Sum256([]byte("1"))}, before)
	require.Empty(t, difference(before, before))

	write("a/zcodes.go", "2")
	write("b/znew.go", "1")
	after, err := generatedFiles(root)
	require.NoError(t, err)
	require.Equal(t, []string{"a/zcodes.go", "b/znew.go"}, difference(before, after))
	require.NoError(t, os.Remove(filepath.Join(root, "a", "zcodes.go")))
	after, err = generatedFiles(root)
	require.NoError(t, err)
	require.Equal(t, []string{"a/zcodes.go", "b/znew.go"}, difference(before, after))
}
