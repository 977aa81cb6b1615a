package osfile

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// TestFinish: an attempt that has written a part is finished.
func TestFinish(t *testing.T) {
	s := newDisk(t)
	data := make([]byte, 3*512)
	for i := range data {
		data[i] = byte(i*7) | 1
	}
	iov := [][]byte{data[:100], {}, data[100:700], data[700:]}
	for n := range len(data) + 1 {
		require.NoError(t, s.Writev(t.Context(), [][]byte{make([]byte, 4096)}, 0))
		require.NoError(t, s.all(Write, data[:n], 512))
		c := Cursor{Iov: iov}
		c.Skip(n)
		require.NoError(t, s.move(t.Context(), Write, c, 512+int64(n)))
		got := make([]byte, 4096)
		require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
		require.Equal(t, data, got[512:512+len(data)], "%d bytes were there", n)
		require.Zero(t, got[511]|got[512+len(data)])
	}
}

// TestBouncedFromWithin: a buffer that begins within a block ends with one, and all of it is moved.
func TestBouncedFromWithin(t *testing.T) {
	s := newDisk(t)
	data := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, 1<<20/7)[:600<<10]
	for _, at := range []int{0, 1, 511} {
		require.NoError(t, s.bounced(t.Context(), Write, Cursor{Iov: [][]byte{data}, At: at}, int64(at)))
		got := make([]byte, len(data))
		require.NoError(t, s.bounced(t.Context(), Read, Cursor{Iov: [][]byte{got[:at+1], got[at+1:]}, At: at}, int64(at)))
		require.True(t, bytes.Equal(data[at:], got[at:]))
	}
}

func TestMapError(t *testing.T) {
	for no, want := range map[unix.Errno]error{
		unix.ENOSPC: backstore.ErrNoSpace, unix.EDQUOT: backstore.ErrNoSpace, unix.EFBIG: backstore.ErrNoSpace,
		unix.EROFS: backstore.ErrReadOnly, unix.EPERM: backstore.ErrReadOnly, unix.EACCES: backstore.ErrReadOnly,
		unix.EBADE: backstore.ErrFenced, unix.ENOMEDIUM: backstore.ErrNoMedium, unix.EIO: unix.EIO,
	} {
		require.Equal(t, want, MapError(no))
	}
	require.NoError(t, MapError(nil))
}

// TestLosesData: a device has more ways to fail than EIO, and the page cache passes them on.
func TestLosesData(t *testing.T) {
	buffered, direct := &File{}, &File{Direct: true}
	for no, want := range map[unix.Errno][2]bool{ // buffered, direct
		unix.EIO: {true, true}, unix.ENODATA: {true, false}, unix.EREMOTEIO: {true, false}, unix.ETIMEDOUT: {true, false},
		unix.ENOLINK: {true, false}, unix.EUCLEAN: {true, false}, unix.ENODEV: {true, false}, unix.EBADE: {true, false},
		unix.ENOSPC: {}, unix.EDQUOT: {}, unix.EFBIG: {}, unix.EPERM: {}, unix.EROFS: {}, unix.EINVAL: {}, unix.EOPNOTSUPP: {}, unix.ENOSYS: {},
		unix.EAGAIN: {}, unix.EINTR: {}, unix.ENOMEM: {}, unix.ENOMEDIUM: {},
	} {
		for _, err := range []error{no, MapError(no)} {
			require.Equal(t, want, [2]bool{buffered.LosesData(err), direct.LosesData(err)}, "%v", err)
		}
	}
	require.False(t, buffered.LosesData(context.Canceled))
	require.False(t, buffered.LosesData(backstore.ErrBusy))
}

// TestHugePieces: one piece of memory is cut where a block ends.
func TestHugePieces(t *testing.T) {
	const blockSize = 64 << 10
	huge, err := unix.Mmap(-1, 0, maxBytes+blockSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return // 32 bits of address are few
	}
	defer func() { require.NoError(t, unix.Munmap(huge)) }()
	c := Cursor{Iov: [][]byte{huge}}
	require.Equal(t, 1, c.whole(maxVec, 0, blockSize))
	require.Equal(t, maxBytes, len(c.piece(0, blockSize)))
	c.At = 512
	require.Equal(t, maxBytes-512, len(c.piece(blockSize+512, blockSize)))
	c.At = blockSize
	require.Equal(t, maxBytes, len(c.piece(blockSize, blockSize)))
}

// TestBuffers: some are kept for the next use.
func TestBuffers(t *testing.T) {
	var p Buffers
	var all [][]byte
	for range maxIdle + 2 {
		b, err := p.Get()
		require.NoError(t, err)
		all = append(all, b)
	}
	for _, b := range all {
		p.Put(b)
	}
	require.Len(t, p.idle, maxIdle)
	b, err := p.Get()
	require.NoError(t, err)
	require.Same(t, &all[maxIdle-1][0], &b[0])
	p.Put(b)
	p.Drop()
	require.Empty(t, p.idle)
}
