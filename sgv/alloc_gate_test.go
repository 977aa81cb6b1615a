//go:build !scsidebug

package sgv_test

import (
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

// What runs for every command allocates nothing.
func TestHotPathAllocatesNothing(t *testing.T) {
	p := newPool(t, nil)
	lim := sgv.NewLimit(8<<20, sgv.NewLimit(16<<20, nil))
	buf := get(t, p, 256<<10)
	defer buf.Release()
	small := make([]byte, 36)
	var iov [8][]byte
	lent := [][]byte{make([]byte, 4096), make([]byte, 4096), make([]byte, 100)}
	released := 0
	release := func() { released++ }
	i := 0
	for name, f := range map[string]func(){
		"Get 4 KiB, Release": func() {
			b, _ := p.Get(4096, lim)
			b.Release()
		},
		"Get 256 KiB, Release": func() {
			b, _ := p.Get(256<<10, lim)
			b.Release()
		},
		"Get of changing length": func() {
			i++
			b, _ := p.Get(130<<10+i%100_000, lim)
			b.Release()
		},
		"refused": func() {
			if _, err := p.Get(16<<20, lim); err == nil {
				t.Error("granted")
			}
		},
		"Retain": func() { buf.Retain().Release() },
		"Append": func() {
			if len(buf.Append(iov[:0], 4096, 200<<10)) != 4 {
				t.Error("segments")
			}
		},
		"WriteAt": func() { _, _ = buf.WriteAt(small, 65530) },
		"ReadAt":  func() { _, _ = buf.ReadAt(small, 65530) },
		"Wrap": func() {
			b, _ := p.Wrap(lent, release)
			b.Release()
		},
	} {
		f()
		require.Zero(t, testing.AllocsPerRun(1000, f), name)
	}
	require.Positive(t, released)
}
