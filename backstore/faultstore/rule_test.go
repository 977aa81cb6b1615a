package faultstore

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

func TestParseRules(t *testing.T) {
	got, err := ParseRules(`
		# nothing here
		read nth=3 error=io       # the third read fails
		write|unmap range=1MiB+64KiB error=nospace
		flush from=2 times=5 delay=20ms; any chance=0.25 stick
		close panic
		fua from=7 partial error=unsupported
	`)
	require.NoError(t, err)
	want := []Rule{
		{Ops: OpRead, From: 3, Times: 1, Err: ErrInjected},
		{Ops: OpWrite | OpUnmap, Range: backstore.Extent{Off: 1 << 20, Len: 64 << 10}, Err: backstore.ErrNoSpace},
		{Ops: OpFlush, From: 2, Times: 5, Delay: 20 * time.Millisecond},
		{Ops: OpAny, Chance: 0.25, Stick: true},
		{Ops: OpClose, Panic: true},
		{Ops: OpFUA, From: 7, Partial: true, Err: errors.ErrUnsupported},
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.EquateErrors()))
	for _, r := range want {
		again, err := ParseRules(r.String())
		require.NoError(t, err, "%s", r)
		require.Empty(t, cmp.Diff([]Rule{r}, again, cmpopts.EquateErrors()))
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"reed error=io":                 `unknown kind of call "reed"`,
		"read| error=io":                "unknown kind",
		"read":                          "nothing to do",
		"read nth=1":                    "nothing to do",
		"read error=eio":                `unknown error "eio"`,
		"read error":                    `unknown error ""`,
		"read wait=1s":                  `unknown word "wait"`,
		"read stick=yes":                "takes no value",
		"read stick stick":              "twice",
		"read nth=0 stick":              "not a count",
		"read nth=99999999999 stick":    "not a count",
		"read nth=1 times=2 stick":      "nth excludes",
		"read partial stick":            "partial needs an error",
		"read chance=2 stick":           "not from 0 to 1",
		"read chance=NaN stick":         "not from 0 to 1",
		"read delay=-1s":                "not positive",
		"read delay=soon":               "invalid duration",
		"read range=4 stick":            "not OFF+LEN",
		"read range=1+0 stick":          "does not fit",
		"read range=8388608TiB+1 stick": "not a size",
		"read range=9223372036854775807+9223372036854775807 stick": "does not fit",
		"read range=-1+5 stick": "not a size",
		"read stick\nwrite":     "rule 2",
	} {
		_, err := ParseRules(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestCounting(t *testing.T) {
	fires := func(text string, calls int, e backstore.Extent) (out []int) {
		list, err := ParseRules(text)
		require.NoError(t, err)
		s := New(nullStore{}, &Options{Rules: list, Seed: 5})
		for i := range calls {
			s.mu.Lock()
			peeked := s.rules.find(OpRead, e, true)
			if s.rules.find(OpRead, e, false) != nil {
				out = append(out, i+1)
				require.NotNil(t, peeked)
			}
			s.mu.Unlock()
		}
		return out
	}
	at := backstore.Extent{Off: 4096, Len: 4096}
	require.Equal(t, []int{1, 2, 3}, fires("read error=io", 3, at))
	require.Equal(t, []int{2}, fires("read nth=2 error=io", 5, at))
	require.Equal(t, []int{2, 3}, fires("read from=2 times=2 error=io", 5, at))
	require.Equal(t, []int{4, 5}, fires("read from=4 error=io", 5, at))
	require.Empty(t, fires("write error=io", 5, at))
	require.Empty(t, fires("read range=8192+1 error=io", 5, at))
	require.Empty(t, fires("read range=0+4096 error=io", 5, at))
	require.Equal(t, []int{1}, fires("read range=8191+1 times=1 error=io", 5, at))
	some := fires("read chance=0.5 error=io", 100, at)
	require.Greater(t, len(some), 20)
	require.Less(t, len(some), 80)
	require.Equal(t, some, fires("read chance=0.5 error=io", 100, at), "the seed decides")
}

// nullStore has a geometry, which is all that these tests ask for.
type nullStore struct{ backstore.Backstore }

func (nullStore) Geometry() backstore.Geometry {
	return backstore.Geometry{Size: 1 << 20, BlockSize: 512}
}

func TestOpsString(t *testing.T) {
	require.Equal(t, "none", Ops(0).String())
	require.Equal(t, "any", OpAny.String())
	require.Equal(t, "read|close", (OpRead | OpClose).String())
	require.Equal(t, "close", OpClose.String())
}

// FuzzParseRules: what is accepted reads the same when it is written out.
func FuzzParseRules(f *testing.F) {
	f.Add("read nth=3 error=io # comment\nany chance=0.5 stick")
	f.Add("write|unmap range=1MiB+64KiB partial error=nospace; close panic")
	f.Add("flush from=2 times=5 delay=1h2m3.5s")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseRules(text)
		if err != nil {
			return
		}
		for _, r := range list {
			again, err := ParseRules(r.String())
			if err != nil {
				t.Fatalf("%q of %q: %v", r, text, err)
			}
			if diff := cmp.Diff([]Rule{r}, again, cmpopts.EquateErrors()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
