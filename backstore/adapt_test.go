package backstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
)

func openFile(t *testing.T, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	return f
}

func TestFromFile(t *testing.T) {
	backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
		b := backstore.FromReaderWriterAt(openFile(t, 1<<20), backstore.Geometry{Size: 1 << 20, BlockSize: 512, Volatile: true})
		require.Equal(t, backstore.CapFlush, backstore.Caps(b))
		return b
	}, &backstoretest.Options{Ops: 60})
}

func TestFromReaderAt(t *testing.T) {
	image := bytes.Repeat([]byte("goscst.."), 1<<14)
	backstoretest.Run(t, func(t *testing.T) backstore.Backstore {
		b := backstore.FromReaderAt(bytes.NewReader(image), backstore.Geometry{Size: int64(len(image)), BlockSize: 2048})
		require.Zero(t, backstore.Caps(b))
		return b
	})
}

// fake answers as its fields say.
type fake struct {
	short int // bytes missing from each transfer
	err   error
	calls int
	stop  context.CancelFunc
}

func (f *fake) answer(n int) (int, error) {
	f.calls++
	if f.stop != nil {
		f.stop()
	}
	return n - f.short, f.err
}
func (f *fake) ReadAt(p []byte, _ int64) (int, error)  { return f.answer(len(p)) }
func (f *fake) WriteAt(p []byte, _ int64) (int, error) { return f.answer(len(p)) }

func TestAdapterErrors(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name        string
		f           fake
		read, write error
	}{
		{"fine", fake{}, nil, nil},
		{"EOF at the very end", fake{err: io.EOF}, nil, io.EOF},
		{"EOF before the end", fake{short: 1, err: io.EOF}, io.ErrUnexpectedEOF, io.EOF},
		{"short without an error", fake{short: 1}, io.ErrUnexpectedEOF, io.ErrShortWrite},
		{"nothing moved", fake{short: 512}, io.ErrUnexpectedEOF, io.ErrShortWrite},
		{"error", fake{short: 512, err: boom}, boom, boom},
		{"error after all was written", fake{err: boom}, nil, boom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := backstore.FromReaderWriterAt(&tt.f, backstore.Geometry{Size: 1 << 20, BlockSize: 512})
			iov := [][]byte{make([]byte, 512)}
			require.ErrorIs(t, b.Readv(t.Context(), iov, 0), tt.read)
			require.ErrorIs(t, b.Writev(t.Context(), iov, 0), tt.write)
		})
	}
}

func TestAdapterLooksAtContext(t *testing.T) {
	f := &fake{}
	b := backstore.FromReaderWriterAt(f, backstore.Geometry{Size: 64 << 20, BlockSize: 512})
	buf := make([]byte, 8<<20)
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	require.ErrorIs(t, b.Readv(ctx, [][]byte{buf}, 0), context.Canceled)
	require.Equal(t, 1, f.calls, "goes on after the context is done")
}

func TestAdapterInvalidGeometry(t *testing.T) {
	b := backstore.FromReaderWriterAt(&fake{}, backstore.Geometry{Size: 1000, BlockSize: 512})
	require.ErrorContains(t, b.Readv(t.Context(), nil, 0), "size 1000")
	require.ErrorContains(t, b.Writev(t.Context(), nil, 0), "size 1000")
	require.NoError(t, b.Close())
}

func TestAdapterClosesItsFile(t *testing.T) {
	f := openFile(t, 512)
	b := backstore.FromReaderWriterAt(f, backstore.Geometry{Size: 512, BlockSize: 512})
	require.NoError(t, b.Close())
	require.ErrorIs(t, f.Close(), os.ErrClosed)
}
