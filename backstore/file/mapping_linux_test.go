package file

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/internal/linuxtest"
	"github.com/goscst/goscst/internal/peers"
)

// newMapped makes a store that lends and has a clock that the test moves.
func newMapped(t *testing.T, dir string, size int64) (*Store, *time.Duration) {
	t.Helper()
	s, err := Open(filepath.Join(dir, "disk"), &Options{Create: true, Size: size})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	if !backstore.Caps(s).Has(backstore.CapLendMapped) {
		peers.Missing(t, "a file system whose files can be lent")
	}
	now := new(time.Duration)
	s.mapped.Load().clock = func() time.Duration { return *now }
	return s, now
}

// send has the system read the memory, as a socket would.
func send(t *testing.T, iov [][]byte) ([]byte, error) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "sent")
	require.NoError(t, err)
	defer f.Close()
	for _, b := range iov {
		if _, err := f.Write(b); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	require.NoError(t, err)
	return data, nil
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestLendMapped lends odd ranges, also over the ends of windows.
func TestLendMapped(t *testing.T) {
	leak.Files(t)
	s, _ := newMapped(t, t.TempDir(), windowSize+1<<20)
	require.NoError(t, s.Resize(3*windowSize))
	require.Len(t, *s.mapped.Load().windows.Load(), 2)
	data := noise(1 << 20)
	for _, at := range []int64{0, 3<<20 + 512, 2*windowSize - 512<<10, 3*windowSize - 1<<20} {
		require.NoError(t, s.Writev(t.Context(), [][]byte{data}, at))
		for _, e := range []backstore.Extent{{Len: 1 << 20}, {Len: 512}, {Off: 512, Len: 4096}, {Off: 1<<19 - 512, Len: 1024}, {Off: 1<<20 - 512, Len: 512}, {Off: 4608, Len: 700 << 10}} {
			iov, release, ok := s.LendMapped(at+e.Off, e.Len, nil)
			require.True(t, ok, "%d+%v", at, e)
			got, err := send(t, iov)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[e.Off:e.Off+e.Len], got), "%d+%v", at, e)
			release()
		}
	}
	require.EqualValues(t, 1, s.mapped.Load().refs.Load())
}

// TestLendMappedLooksIntoThePageCache: what to read would mean to wait is not lent. That all of a
// chunk is there is believed for a while.
func TestLendMappedLooksIntoThePageCache(t *testing.T) {
	s, now := newMapped(t, t.TempDir(), 1<<20)
	evict := func(off, n int64) {
		require.NoError(t, s.Flush(t.Context(), 0, 0))
		mem := (*s.mapped.Load().windows.Load())[0].mem
		require.NoError(t, unix.Madvise(mem, unix.MADV_DONTNEED)) // what is mapped cannot be evicted
		require.NoError(t, unix.Fadvise(s.h.FD, off, n, unix.FADV_DONTNEED))
	}
	lends := func(off, n int64) bool {
		_, release, ok := s.LendMapped(off, n, nil)
		if ok {
			release()
		}
		return ok
	}
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(1 << 20)}, 0))
	evict(0, 0)
	var vec [256]byte
	require.NoError(t, mincore((*s.mapped.Load().windows.Load())[0].mem[:1<<20], vec[:]))
	if bytes.Contains(vec[:], []byte{1}) {
		peers.Missing(t, "a page cache that can be emptied")
	}
	require.False(t, lends(0, 512))
	require.False(t, lends(0, 1<<20))
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(4096)}, 8192)) // one page is there
	require.True(t, lends(8192, 4096))
	require.True(t, lends(8192+512, 512))
	require.False(t, lends(8192, 4096+512))
	require.False(t, lends(8192-512, 1024))
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(512 << 10)}, 0))
	require.True(t, lends(0, 512<<10))
	require.False(t, lends(0, 512<<10+512))
	evict(0, 0)
	require.True(t, lends(0, 4096), "nobody has looked again")
	*now += lookAgain
	require.False(t, lends(0, 4096))
	require.False(t, lends(256<<10, 4096))
}

// TestHolesInMemoryAreNotFilled: a hole of a file in memory stays one.
func TestHolesInMemoryAreNotFilled(t *testing.T) {
	dir := shm(t)
	if dir == "" {
		peers.Missing(t, "there is no file system in memory")
	}
	s, _ := newMapped(t, dir, 1<<20)
	data := noise(1 << 20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{data}, 0))
	iov, release, ok := s.LendMapped(0, 1<<20, nil)
	require.True(t, ok)
	got, err := send(t, iov)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	release()
	require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Off: 64 << 10, Len: 64 << 10}}))
	_, _, ok = s.LendMapped(64<<10, 4096, nil)
	require.False(t, ok, "it was there a moment ago")
	require.NoError(t, s.WriteZeroes(t.Context(), 512<<10, 64<<10, true))
	_, _, ok = s.LendMapped(512<<10, 4096, nil)
	require.False(t, ok)
	all, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 8), 0, 1<<20)
	require.NoError(t, err)
	require.Len(t, all, 5, "two holes")
}

// TestCutWithinAPage: a page in which somebody else has cut off the file is not intact: what is
// behind its end would read as zeroes.
func TestCutWithinAPage(t *testing.T) {
	s, _ := newMapped(t, t.TempDir(), 1<<20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(1 << 20)}, 0))
	require.True(t, s.Intact())
	require.NoError(t, os.Truncate(s.h.F.Name(), 1<<20-512))
	require.False(t, s.Intact())
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 1<<20-4096))
	require.NoError(t, s.Refresh())
	require.True(t, s.Intact(), "the store is as short as the file")
	require.NoError(t, s.Resize(2<<20))
	require.True(t, s.Intact())
	require.NoError(t, s.Close())
	require.False(t, s.Intact())
}

// TestReadsDoNotUndoUnmap: what is freed while something beside it is read stays free.
func TestReadsDoNotUndoUnmap(t *testing.T) {
	dir := shm(t)
	if dir == "" {
		peers.Missing(t, "there is no file system in memory")
	}
	s, _ := newMapped(t, dir, 1<<20)
	var turn, reads atomic.Int64
	s.mapped.Load().clock = func() time.Duration { return time.Duration(turn.Add(1)) * lookAgain } // look each time
	hole := backstore.Extent{Off: 64 << 10, Len: 64 << 10}
	data := noise(chunkSize)
	require.NoError(t, s.Writev(t.Context(), [][]byte{data}, 0))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, release, ok := s.LendMapped(0, 4096, nil); ok {
				release()
			}
			reads.Add(1)
			runtime.Gosched()
		}
	})
	for range 500 {
		require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{hole}))
		for until := reads.Load() + 2; reads.Load() < until; { // what had begun before has ended
			runtime.Gosched()
		}
		x, err := s.AppendExtents(t.Context(), make([]backstore.MappedExtent, 0, 4), hole.Off, hole.Len)
		require.NoError(t, err)
		require.Equal(t, []backstore.MappedExtent{{Extent: hole, State: backstore.Deallocated}}, x)
		require.NoError(t, s.Writev(t.Context(), [][]byte{data[:hole.Len]}, hole.Off))
	}
}

// TestLimitedAddressSpaceIsLeftAlone: a mapping would take it from the memory of the program.
func TestLimitedAddressSpaceIsLeftAlone(t *testing.T) {
	newMapped(t, t.TempDir(), 1<<20)
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_AS, &before))
	limited := before
	limited.Cur = 1 << 60
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &limited))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &before)) }()
	s, err := Open(filepath.Join(t.TempDir(), "disk"), &Options{Create: true, Size: 1 << 20})
	require.NoError(t, err)
	defer s.Close()
	require.False(t, backstore.Caps(s).Has(backstore.CapLendMapped))
}

// TestOverlayForReading: a file that others may write to is lent from an overlay only when it is
// the copy already that writing makes.
func TestOverlayForReading(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root can mount
	}
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "all"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	old := noise(8192)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lower/disk"), old, 0o600))
	name := filepath.Join(dir, "all/disk")
	var reader, writer *os.File
	linuxtest.Mounts(t, "an overlay", func() (err error) {
		layers := "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
		if err := unix.Mount("overlay", dir+"/all", "overlay", 0, layers); err != nil {
			return err
		}
		if reader, err = os.Open(name); err == nil {
			writer, err = os.OpenFile(name, os.O_RDWR, 0)
		}
		return err
	})
	s, err := New(reader, &Options{ReadOnly: true, NoLock: true})
	require.NoError(t, err)
	defer s.Close()
	changed := bytes.Repeat([]byte{7}, 4096)
	_, err = writer.WriteAt(changed, 0)
	require.NoError(t, err)
	got := make([]byte, 4096)
	require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
	require.Equal(t, changed, got)
	require.False(t, backstore.Caps(s).Has(backstore.CapLendMapped))
	w, err := New(writer, &Options{NoLock: true})
	require.NoError(t, err)
	defer w.Close()
	require.True(t, backstore.Caps(w).Has(backstore.CapLendMapped))
	iov, release, ok := w.LendMapped(0, 4096, nil)
	require.True(t, ok)
	got, err = send(t, iov)
	require.NoError(t, err)
	require.Equal(t, changed, got)
	release()
}

// TestCutBehindTheStore: what is gone is an error of the system call that sends it, and not the
// end of the process.
func TestCutBehindTheStore(t *testing.T) {
	s, now := newMapped(t, t.TempDir(), 1<<20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(1 << 20)}, 0))
	iov, release, ok := s.LendMapped(512<<10, 64<<10, nil)
	require.True(t, ok)
	require.NoError(t, os.Truncate(s.h.F.Name(), 4096))
	_, err := send(t, iov)
	require.ErrorIs(t, err, unix.EFAULT)
	release()
	*now += lookAgain
	_, _, ok = s.LendMapped(512<<10, 64<<10, nil)
	require.False(t, ok)
	require.ErrorIs(t, s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 512<<10), io.ErrUnexpectedEOF)
	require.NoError(t, s.Refresh())
	require.EqualValues(t, 4096, s.Geometry().Size)
}

// TestCutWaitsForWhatIsLent: while something is lent the file keeps its length, and everything
// but lending goes on.
func TestCutWaitsForWhatIsLent(t *testing.T) {
	s, _ := newMapped(t, t.TempDir(), 1<<20)
	data := noise(1 << 20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{data}, 0))
	iov, release, ok := s.LendMapped(512<<10, 64<<10, nil)
	require.True(t, ok)
	done := make(chan error, 1)
	go func() { done <- s.Resize(4096) }()
	for s.mapped.Load() != nil {
		runtime.Gosched()
	}
	_, _, ok = s.LendMapped(0, 512, nil)
	require.False(t, ok)
	require.NoError(t, s.Writev(t.Context(), [][]byte{data[:4096]}, 0))
	require.EqualValues(t, 1<<20, s.Geometry().Size)
	got, err := send(t, iov)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data[512<<10:576<<10], got))
	require.Empty(t, done)
	release()
	require.NoError(t, <-done)
	require.EqualValues(t, 4096, s.Geometry().Size)
	_, release, ok = s.LendMapped(0, 512, nil)
	require.True(t, ok, "lending begins again")
	release()
	_, _, ok = s.LendMapped(4096, 512, nil)
	require.False(t, ok)
}

// TestCutAndClose: a store that is closed while Resize waits stays as it is.
func TestCutAndClose(t *testing.T) {
	s, _ := newMapped(t, t.TempDir(), 1<<20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(4096)}, 0))
	_, release, ok := s.LendMapped(0, 4096, nil)
	require.True(t, ok)
	done := make(chan error, 1)
	go func() { done <- s.Resize(4096) }()
	for s.mapped.Load() != nil {
		runtime.Gosched()
	}
	require.NoError(t, s.Close())
	release()
	require.ErrorIs(t, <-done, backstore.ErrClosed)
	require.Nil(t, s.mapped.Load())
}

// TestCloseKeepsWhatIsLent: memory stays until it is given back, and goes then.
func TestCloseKeepsWhatIsLent(t *testing.T) {
	leak.Files(t)
	s, _ := newMapped(t, t.TempDir(), 1<<20)
	data := noise(8192)
	require.NoError(t, s.Writev(t.Context(), [][]byte{data}, 0))
	iov, first, ok := s.LendMapped(0, 4096, nil)
	require.True(t, ok)
	iov, second, ok := s.LendMapped(4096, 4096, iov)
	require.True(t, ok)
	m := s.mapped.Load()
	require.NoError(t, s.Close())
	require.False(t, s.mapped.Load() != nil)
	_, _, ok = s.LendMapped(0, 512, nil)
	require.False(t, ok)
	first()
	got, err := send(t, iov)
	require.NoError(t, err)
	require.Equal(t, data, got)
	second()
	<-m.gone
	require.PanicsWithValue(t, "file: second release of lent memory", second)
}

// TestWhatIsNotMapped: where mapping is not wanted or does not help, nothing is lent.
func TestWhatIsNotMapped(t *testing.T) {
	for name, opts := range map[string]Options{
		"NoMap":   {NoMap: true},
		"Without": {Without: backstore.CapLendMapped},
		"Direct":  {Direct: true},
	} {
		opts.Create, opts.Size = true, 1<<20
		s, err := Open(filepath.Join(t.TempDir(), "disk"), &opts)
		if err != nil && opts.Direct {
			continue // the file system has no direct I/O
		}
		require.NoError(t, err)
		require.False(t, backstore.Caps(s).Has(backstore.CapLendMapped), name)
		require.NoError(t, s.Resize(2<<20))
		require.Nil(t, s.mapped.Load(), name)
		_, _, ok := s.LendMapped(0, 512, nil)
		require.False(t, ok)
		require.NoError(t, s.Resize(512))
		require.NoError(t, s.Close())
	}
}

// TestTooMuchToMap: a file that there are no addresses for is not said to be lent.
func TestTooMuchToMap(t *testing.T) {
	dir := shm(t)
	if dir == "" {
		peers.Missing(t, "there is no file system in memory")
	}
	s, err := Open(filepath.Join(dir, "disk"), &Options{Create: true, Size: 1 << 47})
	require.NoError(t, err)
	defer s.Close()
	require.False(t, backstore.Caps(s).Has(backstore.CapLendMapped))
	_, _, ok := s.LendMapped(0, 512, nil)
	require.False(t, ok)
	require.NoError(t, s.Resize(1<<20))
	require.Nil(t, s.mapped.Load(), "what was not advertised is not used")
}

// TestEmptyFileIsMappedWhenItGrows: there is nothing to map before.
func TestEmptyFileIsMappedWhenItGrows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	s, err := Open(name, nil)
	require.NoError(t, err)
	defer s.Close()
	require.Nil(t, s.mapped.Load())
	if !backstore.Caps(s).Has(backstore.CapLendMapped) {
		peers.Missing(t, "a file system whose files can be lent")
	}
	require.NoError(t, os.Truncate(name, 1<<20))
	require.NoError(t, s.Refresh())
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(4096)}, 0))
	_, release, ok := s.LendMapped(0, 4096, nil)
	require.True(t, ok)
	release()
}

// TestSecretPageCache: the system does not tell everybody what is in the page cache, and says
// yes to those whom it does not tell.
func TestSecretPageCache(t *testing.T) {
	if os.Getuid() != 0 {
		return // another's file is needed, and only root can make one
	}
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o444))
	f, err := os.Open(name)
	require.NoError(t, err)
	done := make(chan error, 1)
	var s *Store
	go func() {
		runtime.LockOSThread() // and never unlock it: the thread ends with its identity
		if _, _, errno := unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
			done <- errno
			return
		}
		var err error
		s, err = New(f, &Options{ReadOnly: true})
		done <- err
	}()
	require.NoError(t, <-done)
	defer s.Close()
	require.False(t, backstore.Caps(s).Has(backstore.CapLendMapped))
}

// TestLendAgainstResize lends while the file grows and shrinks and at last is closed.
func TestLendAgainstResize(t *testing.T) {
	s, _ := newMapped(t, t.TempDir(), 1<<20)
	require.NoError(t, s.Writev(t.Context(), [][]byte{noise(1 << 20)}, 0))
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for off := int64(i) << 10; ; off = (off + 4608) % (1<<20 - 4096) &^ 511 {
				iov, release, ok := s.LendMapped(off, 4096, nil)
				if ok {
					if backstore.Len(iov) != 4096 {
						t.Error("lent of another length")
					}
					release()
				} else if err := s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 0); errors.Is(err, backstore.ErrClosed) {
					return
				}
			}
		})
	}
	for range 50 {
		require.NoError(t, s.Resize(512<<10))
		require.NoError(t, s.Resize(1<<20))
	}
	require.NoError(t, s.Resize(windowSize+512))
	require.NoError(t, s.Close())
	wg.Wait()
}

func BenchmarkLendMapped4K(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "disk"), &Options{Create: true, Size: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Writev(b.Context(), [][]byte{make([]byte, 64<<20)}, 0); err != nil {
		b.Fatal(err)
	}
	dst := make([][]byte, 0, 4)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, release, ok := s.LendMapped(int64(i*7919%16384)*4096, 4096, dst)
		if !ok {
			b.Fatal("not lent")
		}
		release()
	}
}
