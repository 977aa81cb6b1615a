package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/linuxtest"
	"github.com/goscst/goscst/internal/peers"
)

func TestMain(m *testing.M) { leak.Main(m) }

// loop is a loop device on a file of its own, which both go away with the test.
type loop struct {
	name string   // of the device
	dev  *os.File // keeps the device while the test runs
	back *os.File
}

// newLoop makes a device of size bytes in blocks of blockSize.
func newLoop(t testing.TB, size int64, blockSize uint32, flags uint32) *loop {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "goscst") // flushes are faster there
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	back, err := os.Create(filepath.Join(dir, "disk"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, back.Close()) })
	require.NoError(t, back.Truncate(size))
	return newLoopOn(t, back, blockSize, flags)
}

// newLoopOn is newLoop on a file that is open.
func newLoopOn(t testing.TB, back *os.File, blockSize uint32, flags uint32) *loop {
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
		l := &loop{name: fmt.Sprintf("/dev/loop%d", n), back: back}
		if l.dev, err = os.OpenFile(l.name, os.O_RDWR, 0); err != nil {
			peers.Missing(t, "no loop device: "+err.Error())
		}
		err = unix.IoctlLoopConfigure(int(l.dev.Fd()), &unix.LoopConfig{
			Fd: uint32(back.Fd()), Size: blockSize, Info: unix.LoopInfo64{Flags: flags | unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			l.protect(t, int(flags&unix.LO_FLAGS_READ_ONLY)) // that of the last user may have stayed
			t.Cleanup(func() { require.NoError(t, l.dev.Close()) })
			return l
		}
		require.NoError(t, l.dev.Close())
		if !errors.Is(err, unix.EBUSY) {
			peers.Missing(t, "loop device cannot be set up: "+err.Error())
		}
	}
	t.Fatal("no loop device stays free")
	return nil
}

// newFailing makes a device of size bytes which fails when room bytes are written.
func newFailing(t testing.TB, size int64, room int) *loop {
	t.Helper()
	back := linuxtest.SmallFile(t, room)
	require.NoError(t, back.Truncate(size))
	return newLoopOn(t, back, 512, 0)
}

// resize changes the device.
func (l *loop) resize(size int64) error {
	if size < 0 || size%512 != 0 {
		return unix.EINVAL
	}
	if err := l.back.Truncate(size); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(l.dev.Fd()), unix.LOOP_SET_CAPACITY, 0)
}

// protect makes the device read-only, or writable again.
func (l *loop) protect(t testing.TB, ro int) {
	t.Helper()
	require.NoError(t, unix.IoctlSetPointerInt(int(l.dev.Fd()), unix.BLKROSET, ro))
}

func open(t testing.TB, name string, opts *Options) *Store {
	t.Helper()
	s, err := Open(name, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// BenchmarkRead4K reads at random from a loop device on a file in memory, one read at a time.
func BenchmarkRead4K(b *testing.B) {
	const size = 64 << 20
	for _, direct := range []bool{false, true} {
		b.Run(fmt.Sprintf("direct=%v", direct), func(b *testing.B) {
			l := newLoop(b, size, 4096, 0)
			s := open(b, l.name, &Options{Buffered: !direct})
			block := make([]byte, 1<<20) // aligned: it has pages of its own
			for off := int64(0); off < size; off += int64(len(block)) {
				require.NoError(b, s.Writev(b.Context(), [][]byte{block}, off))
			}
			iov := [][]byte{block[:4096]}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Readv(b.Context(), iov, int64(i*7919%(size/4096))*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
