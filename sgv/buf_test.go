package sgv_test

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

func TestBufShape(t *testing.T) {
	for name, opts := range map[string]*sgv.Options{
		"default":         nil,
		"small segments":  {SegmentSize: 4096},
		"odd segment":     {SegmentSize: 5000, Align: 512},
		"fixed":           {FixedSize: 100 << 10},
		"large alignment": {Align: 64 << 10, SegmentSize: 1},
		"huge pages":      {Allocator: sgv.HugePages(), SegmentSize: 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, opts)
			segSize, align := 64<<10, 4096
			if opts != nil && opts.Align != 0 {
				align = opts.Align
			}
			if opts != nil && opts.SegmentSize != 0 {
				segSize = max(align, 4096)
				for segSize < opts.SegmentSize {
					segSize *= 2
				}
			}
			// Twice, and up and down, so that buffers are trimmed anew.
			lens := []int{
				0, 1, 511, 512, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 100 << 10, 131072,
				131073, 1 << 20, 4<<20 - 1, 4 << 20, 4<<20 + 1, 5<<20 + 77,
			}
			for i := len(lens) - 1; i >= 0; i-- {
				lens = append(lens, lens[i])
			}
			for _, n := range lens {
				b := get(t, p, n)
				require.Equal(t, n, b.Len())
				sum := 0
				for i, seg := range b.Segs() {
					require.NotEmpty(t, seg)
					require.Len(t, seg, cap(seg), "append must not reach further memory")
					require.LessOrEqual(t, len(seg), segSize)
					if i < len(b.Segs())-1 {
						require.Len(t, seg, segSize, "only the last segment is shorter")
					}
					require.Zero(t, reflect.ValueOf(seg).Pointer()%uintptr(align), "alignment")
					sum += len(seg)
				}
				require.Equal(t, n, sum)
				require.Len(t, b.Segs(), cap(b.Segs()))
				b.Release()
			}
		})
	}
}

func TestReadWriteAt(t *testing.T) {
	p := newPool(t, &sgv.Options{SegmentSize: 4096})
	const n = 3*4096 + 100
	b := get(t, p, n)
	defer b.Release()
	model := make([]byte, n)
	_, err := b.WriteAt(model, 0)
	require.NoError(t, err)
	next := byte(0)
	for _, off := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, n - 1, n, n + 1, n + 5000} {
		for _, l := range []int{0, 1, 2, 36, 4095, 4096, 4097, 8193, n, n + 1} {
			data := make([]byte, l)
			for i := range data {
				next++
				data[i] = next
			}
			fits := max(min(l, n-off), 0)
			got, err := b.WriteAt(data, int64(off))
			require.Equal(t, fits, got, "write %d at %d", l, off)
			if fits == l && off <= n {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, io.ErrShortWrite)
			}
			if fits > 0 {
				copy(model[off:], data)
			}

			back := make([]byte, l)
			got, err = b.ReadAt(back, int64(off))
			require.Equal(t, fits, got, "read %d at %d", l, off)
			if fits == l && off <= n {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, io.EOF)
			}
			require.Equal(t, data[:fits], back[:fits])
		}
	}
	require.Equal(t, model, bytes.Join(b.Segs(), nil))
}

func TestReadWriteAtBadOffset(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 100)
	defer b.Release()
	for _, off := range []int64{-1, -1 << 63} {
		n, err := b.WriteAt([]byte{1}, off)
		require.Zero(t, n)
		require.Error(t, err)
		n, err = b.ReadAt(make([]byte, 1), off)
		require.Zero(t, n)
		require.Error(t, err)
	}
	n, err := b.WriteAt([]byte{1}, 1<<62)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.ErrShortWrite)
	n, err = b.ReadAt(make([]byte, 1), 1<<62)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}

// A buffer of no bytes takes none, although its class has room.
func TestEmptyBuf(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 0)
	defer b.Release()
	require.Zero(t, b.Len())
	require.Empty(t, b.Segs())
	require.Empty(t, b.Append(nil, 0, 0))
	n, err := b.WriteAt([]byte("x"), 0)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.ErrShortWrite)
	n, err = b.WriteAt(nil, 0)
	require.Zero(t, n)
	require.NoError(t, err)
	n, err = b.ReadAt(make([]byte, 1), 0)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}

func TestAppend(t *testing.T) {
	p := newPool(t, &sgv.Options{SegmentSize: 4096})
	const n = 2*4096 + 10
	b := get(t, p, n)
	defer b.Release()
	model := make([]byte, n)
	for i := range model {
		model[i] = byte(i * 7)
	}
	_, err := b.WriteAt(model, 0)
	require.NoError(t, err)
	kept := []byte("kept")
	edges := []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, n - 1, n}
	for _, from := range edges {
		for _, to := range edges {
			if to < from {
				continue
			}
			iov := b.Append([][]byte{kept}, from, to-from)
			require.Equal(t, kept, iov[0])
			for _, seg := range iov[1:] {
				require.NotEmpty(t, seg)
			}
			require.True(t, bytes.Equal(model[from:to], bytes.Join(iov[1:], nil)), "[%d, %d)", from, to)
		}
	}
	for _, r := range [][2]int{{-1, 1}, {0, -1}, {0, n + 1}, {n, 1}, {n + 1, 0}, {1, 1<<31 - 1}} {
		require.Panics(t, func() { b.Append(nil, r[0], r[1]) }, "%v", r)
	}
}

// A user who consumes the headers made by Append leaves those of the buffer alone.
func TestAppendCopiesHeaders(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 5000)
	iov := b.Append(nil, 0, 5000)
	iov[0] = iov[0][4999:]
	require.Len(t, b.Segs()[0], 5000)
	b.Release()
}

func TestRetain(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 100)
	require.Same(t, b, b.Retain())
	b.Release()
	require.Equal(t, 1, p.Outstanding())
	require.Equal(t, 100, b.Len(), "alive")
	b.Release()
	require.Zero(t, p.Outstanding())
}

// Misuse of a buffer that was not taken anew panics in every build.
func TestMisusePanics(t *testing.T) {
	p := newPool(t, nil)
	b := get(t, p, 100)
	b.Release()
	require.Contains(t, panicOf(func() { b.Release() }), "sgv: Release of a released buffer")
	require.Contains(t, panicOf(func() { b.Retain() }), "sgv: Retain of a released buffer")
	require.Zero(t, p.Outstanding())
	next := get(t, p, 100)
	require.Equal(t, 1, p.Outstanding(), "the pool still works")
	next.Release()
}

// panicOf returns the text that f panics with, or "".
func panicOf(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}
