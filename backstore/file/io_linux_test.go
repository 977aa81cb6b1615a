package file

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/peers"
)

// TestManyElements moves vectors beyond the limits of the system, even and uneven.
func TestManyElements(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, opts := range []Options{{}, {Direct: true}} {
		dir := t.TempDir()
		opts.Create, opts.Size = true, 4<<20
		s, err := Open(filepath.Join(dir, "disk"), &opts)
		if err != nil && opts.Direct {
			peers.Missing(t, "direct I/O: "+err.Error())
		}
		require.NoError(t, err)
		for _, size := range []int{1, 3, 511, 512, 1024} {
			data := make([]byte, 3000*size&^511)
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			cut := func(b []byte) (iov [][]byte) {
				for len(b) > 0 {
					n := min(len(b), size)
					iov = append(iov, b[:n])
					b = b[n:]
				}
				return iov
			}
			for _, write := range []func() error{
				func() error { return s.Writev(t.Context(), cut(data), 4096) },
				func() error { return s.WritevFUA(t.Context(), cut(data), 4096) },
				func() error {
					if err := s.TryWritev(cut(data), 4096); !errors.Is(err, backstore.ErrWouldBlock) {
						return err
					}
					return nil
				},
			} {
				require.NoError(t, s.WriteZeroes(t.Context(), 0, 4<<20, true))
				require.NoError(t, write())
				require.NoError(t, s.Writev(t.Context(), cut(data), 4096))
				got := make([]byte, len(data))
				require.NoError(t, s.Readv(t.Context(), cut(got), 4096))
				require.True(t, bytes.Equal(data, got), "elements of %d bytes", size)
				clear(got)
				if err := s.TryReadv(cut(got), 4096); err == nil {
					require.True(t, bytes.Equal(data, got), "elements of %d bytes", size)
				}
			}
		}
		require.NoError(t, s.Close())
	}
}

// TestTryAfterEviction: what is not in the page cache is not waited for.
func TestTryAfterEviction(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	if !backstore.Caps(s).Has(backstore.CapNowait) {
		peers.Missing(t, "the file system has no reads that do not wait")
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i / 4096)
	}
	require.NoError(t, s.Writev(t.Context(), [][]byte{data}, 0))
	require.NoError(t, s.Flush(t.Context(), 0, 0))
	evict := func(off, n int64) { require.NoError(t, unix.Fadvise(s.h.FD, off, n, unix.FADV_DONTNEED)) }
	evict(0, 0)
	blocked := 0
	for off := int64(0); off < 1<<20; off += 64 << 10 {
		got := make([]byte, 64<<10)
		err := s.TryReadv([][]byte{got[:5000], got[5000:]}, off)
		if errors.Is(err, backstore.ErrWouldBlock) {
			blocked++
			require.NoError(t, s.Readv(t.Context(), [][]byte{got}, off))
		} else {
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal(data[off:off+64<<10], got))
	}
	t.Logf("%d of 16 reads would have blocked", blocked)
	require.NoError(t, s.Readv(t.Context(), [][]byte{make([]byte, 1<<20)}, 0))
	require.NoError(t, s.TryReadv([][]byte{make([]byte, 256<<10)}, 0), "it is in the page cache now")
}

func TestLock(t *testing.T) {
	leak.Files(t)
	name := filepath.Join(t.TempDir(), "disk")
	rw, err := Open(name, &Options{Create: true, Size: 4096})
	require.NoError(t, err)
	for _, opts := range []Options{{}, {ReadOnly: true}} {
		_, err := Open(name, &opts)
		require.ErrorIs(t, err, ErrInUse)
	}
	other, err := Open(name, &Options{NoLock: true})
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, rw.Close())
	first, err := Open(name, &Options{ReadOnly: true})
	require.NoError(t, err)
	second, err := Open(name, &Options{ReadOnly: true})
	require.NoError(t, err, "readers share")
	_, err = Open(name, nil)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestFlagsMustFit(t *testing.T) {
	leak.Files(t)
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 4096), 0o600))
	for _, tt := range []struct {
		flags int
		opts  Options
		want  string
	}{
		{os.O_RDONLY, Options{}, "not open for reading and writing"},
		{os.O_WRONLY, Options{}, "not open for reading and writing"},
		{os.O_RDWR | os.O_APPEND, Options{}, "appending"},
		{os.O_RDWR, Options{Direct: true}, "Direct does not fit"},
		{os.O_RDWR, Options{WriteThrough: true}, "O_DSYNC"},
	} {
		f, err := os.OpenFile(name, tt.flags, 0)
		require.NoError(t, err)
		_, err = New(f, &tt.opts)
		require.ErrorContains(t, err, tt.want)
	}
	f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = New(f, nil)
	require.ErrorContains(t, err, "not a regular file")
}

// TestExtentsOfSparseFile compares with what was written, on file systems with blocks of 4 KiB.
func TestExtentsOfSparseFile(t *testing.T) {
	s := newStore(t, 1<<30, Options{BlockSize: 4096})
	if s.h.unit != 4096 || !backstore.Caps(s).Has(backstore.CapExtents) {
		peers.Missing(t, "the file system has no holes of 4 KiB")
	}
	for _, off := range []int64{0, 40 << 20, 40<<20 + 4096, 1<<30 - 4096} {
		require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{1}, 4096)}, off))
	}
	var got []string
	all, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 16), 0, 1<<30)
	require.NoError(t, err)
	for _, x := range all {
		got = append(got, fmt.Sprint(x.Off/4096, x.Len/4096, x.State))
	}
	require.Equal(t, []string{
		"0 1 mapped", "1 10239 deallocated", "10240 2 mapped", "10242 251901 deallocated", "262143 1 mapped",
	}, got)
}

// TestHolesAreCutToBlocks: a hole that begins or ends inside a block does not count there.
func TestHolesAreCutToBlocks(t *testing.T) {
	s := newStore(t, 1<<20, Options{BlockSize: 64 << 10})
	if s.h.unit != 4096 || !backstore.Caps(s).Has(backstore.CapExtents) {
		peers.Missing(t, "the file system has no holes of 4 KiB")
	}
	_, err := unix.Pwrite(s.h.FD, bytes.Repeat([]byte{1}, 4096), 5*64<<10+8192)
	require.NoError(t, err)
	all, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 16), 0, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []backstore.MappedExtent{
		{Extent: backstore.Extent{Len: 5 * 64 << 10}, State: backstore.Deallocated},
		{Extent: backstore.Extent{Off: 5 * 64 << 10, Len: 64 << 10}, State: backstore.Mapped},
		{Extent: backstore.Extent{Off: 6 * 64 << 10, Len: 10 * 64 << 10}, State: backstore.Deallocated},
	}, all)
}

// TestCutAgainstWriters: no write makes the file longer again after it was cut.
func TestCutAgainstWriters(t *testing.T) {
	s := newStore(t, 1<<20, Options{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			buf := [][]byte{bytes.Repeat([]byte{9}, 64<<10)}
			for {
				select {
				case <-stop:
					return
				default:
				}
				for off := int64(0); off < 1<<20; off += 64 << 10 {
					if err := s.Writev(t.Context(), buf, off); err != nil && !errors.Is(err, backstore.ErrOutOfRange) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 20 {
		require.NoError(t, s.Resize(512<<10))
		st, err := s.h.F.Stat()
		require.NoError(t, err)
		require.EqualValues(t, 512<<10, st.Size())
		require.NoError(t, s.Resize(1<<20))
	}
	close(stop)
	wg.Wait()
}
