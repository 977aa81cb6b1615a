package block

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		block  uint32 // of the device
		size   int64
		opts   Options
		resize bool
	}{
		{"direct", 512, 4<<20 + 512, Options{}, true},
		{"buffered", 512, 4 << 20, Options{Buffered: true}, false},
		{"write-through", 512, 1 << 20, Options{WriteThrough: true}, false},
		{"direct 4096", 4096, 4 << 20, Options{}, false},
		{"4096 on 512", 512, 4<<20 + 512, Options{BlockSize: 4096}, false},
		{"bare", 512, 1 << 20, Options{Without: backstore.CapAll &^ (backstore.CapFlush | backstore.CapNotify)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := &backstoretest.Options{
				Ops:       60,
				ZeroAlloc: true,
				Reopen: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
					require.NoError(t, b.Close())
					s, err := Open(b.(*Store).d.F.Name(), &tt.opts)
					require.NoError(t, err)
					return s
				},
			}
			var l *loop
			if tt.resize {
				opts.Resize = func(b backstore.Backstore, size int64) error {
					return errors.Join(l.resize(size), b.(*Store).Refresh())
				}
			}
			backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
				l = newLoop(t, tt.size, tt.block, 0)
				s, err := Open(l.name, &tt.opts)
				require.NoError(t, err)
				return s
			}, opts)
		})
	}
}

func TestReadOnlyConformance(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags uint32
		opts  Options
	}{
		{"asked for", 0, Options{ReadOnly: true}},
		{"protected", unix.LO_FLAGS_READ_ONLY, Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backstoretest.Run(t, func(t *testing.T) backstore.Backstore {
				s, err := Open(newLoop(t, 1<<20, 512, tt.flags).name, &tt.opts)
				require.NoError(t, err)
				require.True(t, s.Geometry().ReadOnly)
				require.False(t, s.d.ReadOnly && s.Geometry().Volatile, "there is nothing to flush")
				return s
			})
		})
	}
}

func TestGeometry(t *testing.T) {
	l := newLoop(t, 1<<20+512, 512, 0)
	s := open(t, l.name, nil)
	g := s.Geometry()
	require.EqualValues(t, 1<<20+512, g.Size)
	require.Equal(t, 512, g.BlockSize)
	require.GreaterOrEqual(t, g.PhysBlockSize, 512)
	require.NoError(t, s.Close())

	s = open(t, l.name, &Options{BlockSize: 4096})
	require.EqualValues(t, 1<<20, s.Geometry().Size, "only whole blocks")
	require.GreaterOrEqual(t, s.Geometry().PhysBlockSize, 4096)

	l = newLoop(t, 1<<20, 4096, 0)
	require.Equal(t, 4096, open(t, l.name, nil).Geometry().BlockSize)
	for _, n := range []int{512, 4096 + 512, 12288, backstore.MaxBlockSize * 2, -4096} {
		_, err := Open(l.name, &Options{BlockSize: n, Shared: true})
		require.ErrorContains(t, err, "cannot make blocks of", "%d", n)
	}
}

func TestRefusesOthers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 4096), 0o600))
	for _, name := range []string{name, "/dev/null", filepath.Dir(name)} {
		_, err := Open(name, nil)
		require.ErrorContains(t, err, "not a block device")
	}
	_, err := Open(name+"x", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestExclusive(t *testing.T) {
	l := newLoop(t, 1<<20, 512, 0)
	first := open(t, l.name, nil)
	_, err := Open(l.name, &Options{ReadOnly: true})
	require.ErrorIs(t, err, ErrInUse)
	open(t, l.name, &Options{Shared: true})
	require.NoError(t, first.Close())
	open(t, l.name, nil)
}

func TestRefresh(t *testing.T) {
	l := newLoop(t, 1<<20, 512, 0)
	s := open(t, l.name, &Options{BlockSize: 4096})
	var events []backstore.EventKind
	defer s.Notify(func(e backstore.Event) { events = append(events, e.Kind) })()
	require.NoError(t, s.Refresh())
	require.Empty(t, events, "nothing has changed")

	require.NoError(t, l.resize(2<<20+512))
	require.EqualValues(t, 1<<20, s.Geometry().Size, "nobody has looked yet")
	require.NoError(t, s.Refresh())
	require.EqualValues(t, 2<<20, s.Geometry().Size)

	block := [][]byte{make([]byte, 4096)}
	l.protect(t, 1)
	require.NoError(t, s.Refresh())
	require.ErrorIs(t, s.Writev(t.Context(), block, 0), backstore.ErrReadOnly)
	require.True(t, s.Geometry().Volatile, "it does not change")
	fdatasync, flushed := s.d.Datasync, false
	s.d.Datasync = func() error { flushed = true; return fdatasync() }
	require.NoError(t, s.Flush(t.Context(), 0, 0))
	require.True(t, flushed, "what was written before")
	l.protect(t, 0)
	require.NoError(t, s.Refresh())
	require.NoError(t, s.Writev(t.Context(), block, 0))
	require.Equal(t, []backstore.EventKind{backstore.EventCapacity, backstore.EventChanged, backstore.EventChanged}, events)

	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Refresh(), backstore.ErrClosed)
}

// TestProtectedMeanwhile: the kernel refuses writes to a device that has become read-only since the last look.
func TestProtectedMeanwhile(t *testing.T) {
	l := newLoop(t, 1<<20, 512, 0)
	s := open(t, l.name, nil)
	l.protect(t, 1)
	defer l.protect(t, 0)
	err := s.Writev(t.Context(), [][]byte{make([]byte, 512)}, 0)
	if err != nil { // a device that was open for writing may stay so
		require.ErrorIs(t, err, backstore.ErrReadOnly)
	}
	require.ErrorIs(t, s.WriteZeroes(t.Context(), 0, 512, false), backstore.ErrReadOnly)
}

// TestShorterThanItWas: what is missing is not made up.
func TestShorterThanItWas(t *testing.T) {
	l := newLoop(t, 1<<20, 512, 0)
	s := open(t, l.name, nil)
	require.NoError(t, l.resize(512<<10))
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 768<<10))
	require.Error(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 512<<10-2048))
	require.Error(t, s.Writev(t.Context(), [][]byte{make([]byte, 4096)}, 768<<10))
}

// TestUnmapFrees: the loop device gives space back to its file.
func TestUnmapFrees(t *testing.T) {
	l := newLoop(t, 4<<20, 512, 0)
	s := open(t, l.name, nil)
	if !backstore.Caps(s).Has(backstore.CapUnmap) {
		t.Log("the file system of the test has no holes")
		return
	}
	require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{1}, 4<<20)}, 0))
	require.NoError(t, s.Flush(t.Context(), 0, 0))
	used := func() int64 {
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(int(l.back.Fd()), &st))
		return st.Blocks * 512
	}
	full := used()
	require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{{Off: 1 << 20, Len: 2 << 20}}))
	require.Less(t, used(), full-1<<20)
	require.NoError(t, s.WriteZeroes(t.Context(), 0, 4<<20, false))
	require.NoError(t, s.Flush(t.Context(), 0, 0))
	require.GreaterOrEqual(t, used(), full, "zeroed blocks become allocated")
}

// TestDiscard: ends of less than a discard unit are zeroed, also where units are shifted.
func TestDiscard(t *testing.T) {
	for _, u := range []units{{0, 4096}, {512, 4096}, {3584, 4096}, {0, 512}, {0, 1 << 20}} {
		l := newLoop(t, 1<<20, 512, 0)
		s := open(t, l.name, nil)
		if !backstore.Caps(s).Has(backstore.CapUnmap) {
			t.Log("the file system of the test has no holes")
			return
		}
		s.discards, s.unit = true, u
		want := bytes.Repeat([]byte{7}, 1<<20)
		require.NoError(t, s.Writev(t.Context(), [][]byte{want}, 0))
		for _, e := range []backstore.Extent{
			{Off: 512, Len: 512}, {Off: 8192 - 512, Len: 1024}, {Off: 20480, Len: 4096}, {Off: 32768 + 1536, Len: 65536 + 512},
		} {
			require.NoError(t, s.Unmap(t.Context(), []backstore.Extent{e}))
			clear(want[e.Off : e.Off+e.Len])
		}
		require.NoError(t, s.WriteZeroes(t.Context(), 512<<10+512, 64<<10, true))
		clear(want[512<<10+512 : 576<<10+512])
		got := make([]byte, 1<<20)
		require.NoError(t, s.Readv(t.Context(), [][]byte{got}, 0))
		require.True(t, bytes.Equal(want, got), "units %v", u)
		require.NoError(t, s.Close())
	}
}

// TestVolatile: a device without a write cache makes a store without one, unless the page cache is in between.
func TestVolatile(t *testing.T) {
	s := open(t, newLoop(t, 1<<20, 512, 0).name, nil)
	for _, tt := range []struct {
		cache string // what sysfs says
		opts  Options
		want  bool
	}{
		{"write back\n", Options{}, true},
		{"write through\n", Options{}, false},
		{"", Options{}, true},
		{"write through\n", Options{Buffered: true}, true},
		{"write back\n", Options{WriteThrough: true}, false},
		{"write through\n", Options{WriteThrough: true, Buffered: true}, false},
	} {
		root := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(root, "7:9/queue"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, "7:9/queue/write_cache"), []byte(tt.cache), 0o600))
		s.d.queue = osfile.QueueIn(root, unix.Mkdev(7, 9))
		require.NoError(t, s.setUp(&tt.opts))
		require.Equal(t, tt.want, s.Geometry().Volatile, "%+v", tt)
	}
}

func TestUnits(t *testing.T) {
	for _, tt := range []struct{ start, size, from, to, first, last int64 }{
		{0, 4096, 0, 8192, 0, 8192},
		{0, 4096, 1, 8191, 4096, 4096},
		{512, 4096, 0, 8192, 512, 4608},
		{512, 4096, 512, 4608, 512, 4608},
		{512, 4096, 1024, 8703, 4608, 4608},
		{4608, 4096, 0, 4608, 512, 4608},
	} {
		first, last := units{tt.start, tt.size}.within(tt.from, tt.to)
		require.Equal(t, [2]int64{tt.first, tt.last}, [2]int64{first, last}, "%+v", tt)
	}
}

// TestFailedFlushStays: what one flush could not write, no later one reports as written.
func TestFailedFlushStays(t *testing.T) {
	s := open(t, newLoop(t, 1<<20, 512, 0).name, nil)
	var events []backstore.Event
	defer s.Notify(func(e backstore.Event) { events = append(events, e) })()
	fdatasync := s.d.Datasync
	s.d.Datasync = func() error { return unix.EIO }
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), unix.EIO)
	s.d.Datasync = fdatasync
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), unix.EIO)
	require.ErrorIs(t, s.WritevFUA(t.Context(), [][]byte{make([]byte, 512)}, 0), unix.EIO)
	require.Equal(t, []backstore.Event{{Kind: backstore.EventFault, Err: unix.EIO}}, events)
	require.NoError(t, s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 0))
}

// TestFailingWriteBack: what a device does not take is never told to be durable, by none of the ways, and
// who is told first does not keep it for himself.
func TestFailingWriteBack(t *testing.T) {
	const size, room = 4 << 20, 1 << 20
	data := bytes.Repeat([]byte{9}, size/2)
	flush := func(s *Store) error { return s.Flush(t.Context(), 0, 0) }
	fua := func(s *Store) error { return s.WritevFUA(t.Context(), [][]byte{data}, size/2) }
	write := func(s *Store) error { return s.Writev(t.Context(), [][]byte{data}, size/2) }
	for name, tt := range map[string]struct {
		opts  Options
		first func(s *Store) error
	}{
		"flush":         {Options{Buffered: true}, flush},
		"FUA":           {Options{Buffered: true}, fua},
		"write-through": {Options{Buffered: true, WriteThrough: true}, write},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, newFailing(t, size, room).name, &tt.opts)
			var events []backstore.EventKind
			defer s.Notify(func(e backstore.Event) { events = append(events, e.Kind) })()
			if !tt.opts.WriteThrough {
				require.NoError(t, write(s), "the page cache takes it")
			}
			require.Error(t, tt.first(s))
			require.Error(t, flush(s), "forgotten")
			require.Error(t, fua(s), "forgotten")
			if tt.opts.WriteThrough {
				require.Error(t, s.Writev(t.Context(), [][]byte{make([]byte, 512)}, 0), "forgotten")
			}
			require.Equal(t, []backstore.EventKind{backstore.EventFault}, events)
		})
	}
}

// TestFlushIsToldAgain: what the kernel has told a durable write it tells a flush as well.
func TestFlushIsToldAgain(t *testing.T) {
	l := newFailing(t, 4<<20, 1<<20)
	s := open(t, l.name, &Options{Buffered: true})
	block := [][]byte{make([]byte, 4096)}
	require.NoError(t, s.WritevFUA(t.Context(), block, 0))
	require.NoError(t, s.Writev(t.Context(), [][]byte{bytes.Repeat([]byte{9}, 2<<20)}, 2<<20))
	require.Error(t, unix.Fdatasync(int(l.dev.Fd())), "the device does not take it")
	_, err := unix.Pwritev2(s.d.FD, block, 0, unix.RWF_DSYNC) // of which the store knows nothing
	require.Error(t, err)
	require.Error(t, s.Flush(t.Context(), 0, 0))
}

// TestManyElements moves vectors beyond the limits of the system, even and uneven.
func TestManyElements(t *testing.T) {
	for _, opts := range []*Options{nil, {Buffered: true}} {
		s := open(t, newLoop(t, 4<<20, 512, 0).name, opts)
		for _, size := range []int{1, 3, 511, 512, 1024} {
			data, got := make([]byte, 3000*size&^511), make([]byte, 3000*size&^511)
			for i := range data {
				data[i] = byte(i*7 + i>>9)
			}
			require.NoError(t, s.Writev(t.Context(), cut(data, size), 4096))
			require.NoError(t, s.Readv(t.Context(), cut(got, size), 4096))
			require.True(t, bytes.Equal(data, got), "elements of %d bytes", size)
			clear(got)
			if err := s.TryReadv(cut(got, size), 4096); err == nil {
				require.True(t, bytes.Equal(data, got), "elements of %d bytes", size)
			}
		}
		require.NoError(t, s.Close())
	}
}

// cut makes a vector of elements of size bytes.
func cut(b []byte, size int) (iov [][]byte) {
	for len(b) > 0 {
		n := min(len(b), size)
		iov = append(iov, b[:n])
		b = b[n:]
	}
	return iov
}

// TestMisalignedMemory: an odd address is no error, only slower.
func TestMisalignedMemory(t *testing.T) {
	s := open(t, newLoop(t, 1<<20, 512, 0).name, nil)
	mem := bytes.Repeat([]byte{3}, 128<<10)
	require.NoError(t, s.Writev(t.Context(), [][]byte{mem[1 : 1+64<<10]}, 512))
	got := make([]byte, 128<<10)
	require.NoError(t, s.Readv(t.Context(), [][]byte{got[3 : 3+64<<10]}, 512))
	require.True(t, bytes.Equal(mem[:64<<10], got[3:3+64<<10]))
	require.Zero(t, got[2]|got[3+64<<10], "bytes beside the vector")
}

// TestCloseWaits: nothing runs on the descriptor after Close.
func TestCloseWaits(t *testing.T) {
	s := open(t, newLoop(t, 1<<20, 512, 0).name, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			buf := [][]byte{make([]byte, 64<<10)}
			for {
				if err := s.Readv(t.Context(), buf, int64(i)*64<<10); err != nil {
					if !errors.Is(err, backstore.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	require.NoError(t, s.Close())
	wg.Wait()
}
