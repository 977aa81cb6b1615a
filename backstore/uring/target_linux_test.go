package uring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/internal/osfile"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/linuxtest"
	"github.com/goscst/goscst/internal/peers"
)

// newLoop makes a loop device of size bytes that goes away with the test.
func newLoop(t testing.TB, size int64, flags uint32) (name string, dev *os.File) {
	t.Helper()
	back, err := os.OpenFile(newFile(t, size, true), os.O_RDWR, 0)
	require.NoError(t, err)
	defer back.Close()
	return newLoopOn(t, back, flags)
}

// newLoopOn is newLoop on a file that is open.
func newLoopOn(t testing.TB, back *os.File, flags uint32) (name string, dev *os.File) {
	t.Helper()
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		peers.Missing(t, "no loop devices: "+err.Error())
	}
	defer ctl.Close()
	for range 50 { // somebody else may take the free one
		n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			peers.Missing(t, "no free loop device: "+err.Error())
		}
		name = fmt.Sprintf("/dev/loop%d", n)
		if dev, err = os.OpenFile(name, os.O_RDWR, 0); err != nil {
			peers.Missing(t, "no loop device: "+err.Error())
		}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{
			Fd: uint32(back.Fd()), Size: 512, Info: unix.LoopInfo64{Flags: flags | unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			protect(t, dev, int(flags&unix.LO_FLAGS_READ_ONLY))
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			return name, dev
		}
		require.NoError(t, dev.Close())
		if !errors.Is(err, unix.EBUSY) {
			peers.Missing(t, "loop device cannot be set up: "+err.Error())
		}
	}
	t.Fatal("no loop device stays free")
	return "", nil
}

func TestDeviceConformance(t *testing.T) {
	for name, opts := range map[string]*Options{"direct": {Direct: true}, "buffered": {}, "4096": {Direct: true, BlockSize: 4096}} {
		t.Run(name, func(t *testing.T) {
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				name, _ := newLoop(t, 1<<20, 0)
				return open(t, name, opts)
			}, &backstoretest.Options{Ops: 60, Reopen: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
				require.NoError(t, b.Close())
				return open(t, b.(*Store).file.F.Name(), opts)
			}})
		})
	}
}

func TestDevice(t *testing.T) {
	name, dev := newLoop(t, 1<<20+512, 0)
	s := open(t, name, &Options{BlockSize: 4096, Direct: true})
	require.EqualValues(t, 1<<20, s.Geometry().Size)
	require.False(t, s.file.Memory, "its file in /dev is in memory, but not what is in it")
	_, err := Open(name, nil)
	require.ErrorIs(t, err, ErrInUse)
	shared := open(t, name, &Options{Shared: true})
	require.NoError(t, shared.Close())
	require.NoError(t, s.Close())

	protect(t, dev, 1)
	for _, opts := range []*Options{{ReadOnly: true}, {}, {Direct: true}} {
		s = open(t, name, opts)
		require.True(t, s.Geometry().ReadOnly)
		require.NoError(t, s.Flush(t.Context(), 0, 0))
		require.NoError(t, s.Close())
	}
	protect(t, dev, 0)
}

// TestReadOnlyDevice: where nothing can be written there is nothing to flush.
func TestReadOnlyDevice(t *testing.T) {
	for name, tt := range map[string]struct {
		flags uint32
		opts  Options
	}{
		"asked for": {0, Options{ReadOnly: true}},
		"protected": {unix.LO_FLAGS_READ_ONLY, Options{Direct: true}},
	} {
		dev, _ := newLoop(t, 1<<20, tt.flags)
		s := open(t, dev, &tt.opts)
		require.True(t, s.Geometry().ReadOnly, name)
		require.False(t, s.file.ReadOnly && s.Geometry().Volatile, name)
		require.NoError(t, s.Close())
	}
}

// protect makes a device read-only, or writable again.
func protect(t testing.TB, dev *os.File, ro int) {
	t.Helper()
	require.NoError(t, unix.IoctlSetPointerInt(int(dev.Fd()), unix.BLKROSET, ro))
}

// TestProtectedMeanwhile: a device that becomes read-only is seen, and what was written before is flushed.
func TestProtectedMeanwhile(t *testing.T) {
	name, dev := newLoop(t, 1<<20, 0)
	s := open(t, name, nil)
	defer s.Close()
	var events []backstore.EventKind
	defer s.Notify(func(e backstore.Event) { events = append(events, e.Kind) })()
	block := [][]byte{make([]byte, 512)}
	require.NoError(t, s.Writev(t.Context(), block, 0))
	protect(t, dev, 1)
	require.NoError(t, s.Refresh())
	require.ErrorIs(t, s.Writev(t.Context(), block, 0), backstore.ErrReadOnly)
	require.True(t, s.Geometry().Volatile, "it does not change")
	_, over := s.accept(&backstore.Op{Kind: backstore.OpFlush})
	require.False(t, over, "a flush does nothing")
	require.NoError(t, s.Flush(t.Context(), 0, 0))
	protect(t, dev, 0)
	require.NoError(t, s.Refresh())
	require.NoError(t, s.Writev(t.Context(), block, 0))
	require.Equal(t, []backstore.EventKind{backstore.EventChanged, backstore.EventChanged}, events)
}

// TestFlushIsToldAgain: what the kernel has told a durable write it tells a flush as well.
func TestFlushIsToldAgain(t *testing.T) {
	back := linuxtest.SmallFile(t, 1<<20)
	require.NoError(t, back.Truncate(4<<20))
	name, dev := newLoopOn(t, back, 0)
	s := open(t, name, nil)
	defer s.Close()
	block := [][]byte{make([]byte, 4096)}
	require.NoError(t, s.WritevFUA(t.Context(), block, 0))
	require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{9}, 2<<20)}, 2<<20))
	require.Error(t, unix.Fdatasync(int(dev.Fd())), "the device does not take it")
	_, err := unix.Pwritev2(s.file.FD, block, 0, unix.RWF_DSYNC) // of which the store knows nothing
	require.Error(t, err)
	require.Error(t, s.Flush(t.Context(), 0, 0))
}

// TestMemory: a file in memory needs no ring.
func TestMemory(t *testing.T) {
	s := open(t, newFile(t, 1<<20, true), nil)
	defer s.Close()
	if !s.file.Memory {
		peers.Missing(t, "there is no file system in memory")
	}
	require.True(t, backstore.Caps(s).Has(backstore.CapNowait))
	data, got := bytes.Repeat([]byte{5}, 256<<10), make([]byte, 256<<10)
	require.NoError(t, s.TryReadv([][]byte{got}, 512), "a hole")
	require.NoError(t, s.TryWritev([][]byte{data[:100], data[100:]}, 512))
	require.NoError(t, s.TryReadv([][]byte{got[:4096], got[4096:]}, 512))
	require.True(t, bytes.Equal(data, got))
}

// TestVolatile: a device without a write cache makes a store without one, unless the page cache is in between.
func TestVolatile(t *testing.T) {
	name, dev := newLoop(t, 1<<20, 0)
	s := open(t, name, &Options{Direct: true})
	require.Equal(t, !osfile.QueueOf(rdev(t, dev)).WriteThrough(), s.Geometry().Volatile)
	require.NoError(t, s.Close())
	for _, tt := range []struct {
		cache string // what sysfs says
		opts  Options
		want  bool
	}{
		{"write back\n", Options{Direct: true}, true},
		{"write through\n", Options{Direct: true}, false},
		{"", Options{Direct: true}, true},
		{"write through\n", Options{}, true},
	} {
		root := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(root, "7:9/queue"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, "7:9/queue/write_cache"), []byte(tt.cache), 0o600))
		s := &Store{}
		s.file.Init(dev)
		g := backstore.Geometry{Volatile: true}
		require.NoError(t, s.lookAtDevice(&g, &tt.opts, osfile.QueueIn(root, unix.Mkdev(7, 9))))
		require.Equal(t, tt.want, g.Volatile, "%+v", tt)
	}
}

func rdev(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	return uint64(st.Rdev) //nolint:unconvert // its type differs between architectures
}

func TestLock(t *testing.T) {
	name := newFile(t, 1<<20, false)
	rw := open(t, name, nil)
	for _, opts := range []*Options{nil, {ReadOnly: true}} {
		_, err := Open(name, opts)
		require.ErrorIs(t, err, ErrInUse)
	}
	require.NoError(t, open(t, name, &Options{Shared: true}).Close())
	require.NoError(t, rw.Close())
	first, second := open(t, name, &Options{ReadOnly: true}), open(t, name, &Options{ReadOnly: true})
	_, err := Open(name, nil)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	require.NoError(t, open(t, name, nil).Close())
}

// TestRefuses: what cannot be served is said, and leaves nothing open.
func TestRefuses(t *testing.T) {
	leak.Files(t)
	name := newFile(t, 1<<20, false)
	for want, opts := range map[string]*Options{
		"depth -1":       {Depth: -1},
		"depth 4097":     {Depth: maxDepth + 1},
		"block size 100": {BlockSize: 100},
	} {
		_, err := Open(name, opts)
		require.ErrorContains(t, err, want)
	}
	for _, name := range []string{"/dev/null", filepath.Dir(name)} {
		_, err := Open(name, nil)
		require.ErrorContains(t, err, "neither a regular file nor a block device")
	}
	_, err := Open(name+"x", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestUnavailable: a program can tell that it should use another store.
func TestUnavailable(t *testing.T) {
	for no, want := range map[unix.Errno]string{
		unix.ENOSYS: "has no io_uring", unix.EPERM: "kernel.io_uring_disabled", unix.ENOMEM: "RLIMIT_MEMLOCK", unix.EINVAL: "makes no ring",
	} {
		err := unavailable(no)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, err, no)
		require.ErrorContains(t, err, want)
	}
	require.NotErrorIs(t, unavailable(unix.EMFILE), errors.ErrUnsupported, "another store would fail as well")
	r := &ring{fd: -1}
	require.ErrorIs(t, r.setUp(&ringParams{}, [2]int{}), errors.ErrUnsupported, "a kernel without the features")
	require.ErrorIs(t, r.setUp(&ringParams{features: 7}, [2]int{}), errors.ErrUnsupported, "a kernel without the probe")
	require.EqualError(t, &UnavailableError{Reason: "x"}, "uring: x")
}

func TestRefresh(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	var events []backstore.EventKind
	defer s.Notify(func(e backstore.Event) { events = append(events, e.Kind) })()
	require.NoError(t, s.Refresh())
	require.NoError(t, s.file.F.Truncate(2<<20+100))
	require.NoError(t, s.Refresh())
	require.EqualValues(t, 2<<20, s.Geometry().Size)
	require.Equal(t, []backstore.EventKind{backstore.EventCapacity}, events)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Refresh(), backstore.ErrClosed)
}

// TestShorterThanItWas: what is missing is not made up.
func TestShorterThanItWas(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	require.NoError(t, s.file.F.Truncate(512<<10))
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 768<<10))
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 512<<10-2048))
}
