//go:build scsidebug

package sgv_test

import (
	"bytes"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

//go:noinline
func releaser(b *sgv.Buf) { b.Release() }

//go:noinline
func taker(p *sgv.Pool) *sgv.Buf {
	b, _ := p.Get(5000, nil)
	return b
}

// Every method of a released Buf panics and names both stacks, also after its memory went to
// another owner.
func TestDebugUseAfterRelease(t *testing.T) {
	p := newPool(t, &sgv.Options{Shards: 1})
	uses := map[string]func(b *sgv.Buf){
		"Len":     func(b *sgv.Buf) { b.Len() },
		"Segs":    func(b *sgv.Buf) { b.Segs() },
		"Append":  func(b *sgv.Buf) { b.Append(nil, 0, 0) },
		"ReadAt":  func(b *sgv.Buf) { _, _ = b.ReadAt(nil, 0) },
		"WriteAt": func(b *sgv.Buf) { _, _ = b.WriteAt(nil, 0) },
		"Retain":  func(b *sgv.Buf) { b.Retain() },
		"Release": func(b *sgv.Buf) { b.Release() },
	}
	for name, use := range uses {
		for _, recycled := range []bool{false, true} {
			stale := taker(p)
			releaser(stale)
			var next *sgv.Buf
			if recycled {
				next = taker(p)
			}
			text := panicOf(func() { use(stale) })
			require.Contains(t, text, "of a released buffer", "%s, recycled: %v", name, recycled)
			require.Contains(t, text, "sgv_test.taker")
			require.Contains(t, text, "sgv_test.releaser")
			if recycled {
				require.Equal(t, 5000, next.Len(), "the new owner is not harmed")
				next.Release()
			}
		}
	}
	require.EqualValues(t, 1, p.Stats().Misses, "memory is reused in debug builds too")
}

func TestDebugPoison(t *testing.T) {
	p := newPool(t, &sgv.Options{Shards: 1})
	for range 2 {
		b := get(t, p, 5000)
		seg := b.Segs()[0]
		require.True(t, bytes.Equal(seg, bytes.Repeat([]byte{0xDB}, 5000)), "new and reused memory is poison")
		clear(seg)
		b.Release()
		require.True(t, bytes.Equal(seg, bytes.Repeat([]byte{0xDB}, 5000)), "so is released memory")
	}
}

func TestDebugWriteAfterRelease(t *testing.T) {
	for name, finds := range map[string]func(p *sgv.Pool){
		"at reuse": func(p *sgv.Pool) { _, _ = p.Get(1, nil) },
		"at flush": func(p *sgv.Pool) { p.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			p := sgv.NewPool(&sgv.Options{Shards: 1, PurgeInterval: -1})
			b, err := p.Get(100, nil)
			require.NoError(t, err)
			seg := b.Segs()[0]
			releaser(b)
			seg[42] = 1
			text := panicOf(func() { finds(p) })
			require.Contains(t, text, "sgv: byte 42 of segment 0 was written after release")
			require.Contains(t, text, "sgv_test.releaser")
		})
	}
}

func TestDebugHeadersModified(t *testing.T) {
	p := sgv.NewPool(nil)
	b := taker(p)
	b.Segs()[0] = b.Segs()[0][1:]
	text := panicOf(b.Release)
	require.Contains(t, text, "sgv: header 0 of Segs was modified")
	require.Contains(t, text, "sgv_test.taker")
}

func TestDebugCloseNamesLeaks(t *testing.T) {
	p := sgv.NewPool(nil)
	b := taker(p)
	require.ErrorContains(t, p.Close(), "sgv_test.taker")
	b.Release()
	require.NoError(t, p.Close())
}

// The memory of a lender is not poisoned, but a stale handle of it is found.
func TestDebugWrap(t *testing.T) {
	p := newPool(t, nil)
	mem := []byte("lent")
	b, err := p.Wrap([][]byte{mem}, nil)
	require.NoError(t, err)
	b.Release()
	require.Equal(t, "lent", string(mem))
	require.Contains(t, panicOf(func() { b.Segs() }), "of a released buffer")
}
