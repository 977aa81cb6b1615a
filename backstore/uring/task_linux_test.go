package uring

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

// armed is an Op that nobody submits, for a task that the test drives by itself.
type armed struct {
	backstore.Op
	done chan error
}

func (a *armed) OpDone(_ *backstore.Op, err error) { a.done <- err }

// newTask begins an operation of a store without a ring.
func newTask(t *testing.T, s *Store, op *armed) *task {
	t.Helper()
	op.done = make(chan error, 1)
	op.Arm(t.Context(), op)
	tk := &task{s: s}
	tk.begin(op.Completion())
	return tk
}

func bareStore(direct bool) *Store {
	return newBareStore(direct, backstore.Geometry{Size: 1 << 40, BlockSize: 512, Volatile: true})
}

func newBareStore(direct bool, g backstore.Geometry) *Store {
	s := &Store{}
	s.file.Direct, s.file.Unit, s.file.BlockSize = direct, 512, g.BlockSize
	s.base.Init(&s.file, &s.Broadcaster, g)
	return s
}

// mustNext wants another step.
func mustNext(t *testing.T, tk *task) *sqe {
	t.Helper()
	more, err := tk.next()
	require.NoError(t, err)
	require.True(t, more)
	return &tk.entry
}

func mustEnd(t *testing.T, tk *task) {
	t.Helper()
	more, err := tk.next()
	require.NoError(t, err)
	require.False(t, more)
}

// TestShortTransfers: what one step leaves, the next one moves.
func TestShortTransfers(t *testing.T) {
	buf := make([]byte, 4096)
	iov := [][]byte{buf[:512], nil, buf[512:1000], buf[1000:]}
	for _, kind := range []backstore.OpKind{backstore.OpRead, backstore.OpWrite} {
		tk := newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: kind, Off: 8192, Iov: iov}})
		e := mustNext(t, tk)
		require.Equal(t, uint8(opReadv+kind-backstore.OpRead), e.opcode)
		require.EqualValues(t, 8192, e.off)
		require.EqualValues(t, 3, e.len)
		require.NoError(t, tk.took(600))
		e = mustNext(t, tk)
		require.EqualValues(t, 8792, e.off)
		require.EqualValues(t, 2, e.len)
		require.Equal(t, &buf[600], tk.vec[0].Base)
		require.NoError(t, tk.took(3000))
		e = mustNext(t, tk)
		require.Equal(t, uint8(opRead+kind-backstore.OpRead), e.opcode)
		require.Equal(t, address(buf[3600:]), e.addr)
		require.EqualValues(t, 496, e.len)
		require.NoError(t, tk.took(496))
		mustEnd(t, tk)
	}
}

// TestMovesNothing: no progress is an error, not a loop.
func TestMovesNothing(t *testing.T) {
	for kind, want := range map[backstore.OpKind]error{backstore.OpRead: io.ErrUnexpectedEOF, backstore.OpWrite: io.ErrShortWrite} {
		tk := newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: kind, Iov: [][]byte{make([]byte, 512)}}})
		mustNext(t, tk)
		require.ErrorIs(t, tk.took(0), want)
	}
}

// TestSentBack: a step that the kernel could not do is done again by a worker of the kernel, a few times.
func TestSentBack(t *testing.T) {
	for _, no := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ECANCELED} {
		tk := newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpRead, Iov: [][]byte{make([]byte, 1024)}}})
		require.Zero(t, mustNext(t, tk).flags&sqeAsync)
		for range maxRetries {
			require.NoError(t, tk.took(-int32(no)))
			require.NotZero(t, mustNext(t, tk).flags&sqeAsync)
		}
		require.NoError(t, tk.took(512), "progress")
		require.Zero(t, mustNext(t, tk).flags&sqeAsync)
		for range maxRetries {
			require.NoError(t, tk.took(-int32(no)))
			mustNext(t, tk)
		}
		require.ErrorIs(t, tk.took(-int32(no)), backstore.ErrBusy)
	}
}

// TestBounce: direct I/O of what is not aligned goes through a buffer that is.
func TestBounce(t *testing.T) {
	s := bareStore(true)
	t.Cleanup(s.file.Buffers.Drop)
	buf := make([]byte, 2048)
	for i := range buf {
		buf[i] = byte(i) | 1
	}
	write := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: [][]byte{buf[:512], buf[512:1000], buf[1000:]}}})
	e := mustNext(t, write)
	require.Equal(t, address(buf), e.addr, "the aligned beginning")
	require.EqualValues(t, 512, e.len)
	require.NoError(t, write.took(512))
	e = mustNext(t, write)
	require.Equal(t, address(write.buffer), e.addr)
	require.EqualValues(t, 1536, e.len)
	require.Equal(t, buf[512:], write.buffer[:1536])
	require.NoError(t, write.took(1024))
	require.EqualValues(t, 512, mustNext(t, write).len)
	require.Equal(t, buf[1536:], write.buffer[:512])
	require.NoError(t, write.took(512))
	mustEnd(t, write)
	write.end()

	got := make([]byte, 1024)
	read := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpRead, Iov: [][]byte{got[:512], got[512:]}}})
	require.EqualValues(t, 2, mustNext(t, read).len)
	require.NoError(t, read.took(-int32(unix.EINVAL)), "the memory is misaligned")
	mustNext(t, read)
	copy(read.buffer, buf)
	require.NoError(t, read.took(1024))
	mustEnd(t, read)
	require.Equal(t, buf[:1024], got)
	read.end()
}

// TestBounceEndsWithABlock: after a short transfer that ended within a block.
func TestBounceEndsWithABlock(t *testing.T) {
	s := bareStore(false)
	t.Cleanup(s.file.Buffers.Drop)
	iov := [][]byte{make([]byte, 1)} // uneven
	for range 2048 {
		iov = append(iov, make([]byte, 512))
	}
	iov = append(iov, make([]byte, 511))
	tk := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: iov}})
	for e := mustNext(t, tk); ; e = mustNext(t, tk) {
		require.Zero(t, (e.off+uint64(e.len))%512, "a block is cut")
		moved := int32(min(e.len, 1000))
		require.NoError(t, tk.took(moved))
		if tk.left == 0 {
			break
		}
	}
	mustEnd(t, tk)
	tk.end()
}

// TestLossCountsForAll: a write that has to be durable and is told nothing fails if another one was told of a loss.
func TestLossCountsForAll(t *testing.T) {
	for name, tt := range map[string]struct {
		s   *Store
		fua bool
	}{"FUA": {newStore(t, 1<<20, nil), true}, "write-through": {newStore(t, 1<<20, &Options{WriteThrough: true}), false}} {
		t.Run(name, func(t *testing.T) {
			op := func() *armed {
				return &armed{Op: backstore.Op{Kind: backstore.OpWrite, FUA: tt.fua, Iov: [][]byte{make([]byte, 1024)}}}
			}
			first, second := newTask(t, tt.s, op()), newTask(t, tt.s, op())
			mustNext(t, first)
			mustNext(t, second)
			require.ErrorIs(t, first.took(-int32(unix.ENODATA)), unix.ENODATA)
			require.NoError(t, second.took(512), "it goes on")
			mustNext(t, second)
			require.ErrorIs(t, second.took(512), unix.ENODATA)
			err, over := tt.s.accept(&op().Op)
			require.True(t, over)
			require.ErrorIs(t, err, unix.ENODATA)
		})
	}
}

// TestManyElements: a vector is cut between blocks, or gathered where that is not possible.
func TestManyElements(t *testing.T) {
	cut := func(n, size int) (iov [][]byte) {
		for range n {
			iov = append(iov, make([]byte, size))
		}
		return iov
	}
	s := bareStore(false)
	t.Cleanup(s.file.Buffers.Drop)
	tk := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: cut(2048, 384)}}) // 4 make 3 blocks
	require.EqualValues(t, maxVec, mustNext(t, tk).len)
	require.NoError(t, tk.took(maxVec*384))
	require.EqualValues(t, maxVec, mustNext(t, tk).len)
	tk.end()

	uneven := append([][]byte{make([]byte, 1)}, cut(2047, 384)...)
	uneven = append(uneven, make([]byte, 383))
	tk = newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: uneven}})
	require.EqualValues(t, 256<<10, mustNext(t, tk).len)
	tk.end()
}

// TestUnmapSteps walks through extents and settles in a store without a cache.
func TestUnmapSteps(t *testing.T) {
	s := newBareStore(false, backstore.Geometry{Size: 1 << 40, BlockSize: 512})
	tk := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpUnmap, Extents: []backstore.Extent{
		{Off: 512, Len: 1024}, {}, {Off: 1 << 31, Len: osfile.MaxSpace + 4096},
	}}})
	for _, want := range []backstore.Extent{{Off: 512, Len: 1024}, {Off: 1 << 31, Len: osfile.MaxSpace}, {Off: 1<<31 + osfile.MaxSpace, Len: 4096}} {
		e := mustNext(t, tk)
		require.EqualValues(t, opFallocate, e.opcode)
		require.EqualValues(t, osfile.PunchHole, e.len)
		require.Equal(t, want, backstore.Extent{Off: int64(e.off), Len: int64(e.addr)})
		require.NoError(t, tk.took(0))
	}
	require.EqualValues(t, opFsync, mustNext(t, tk).opcode)
	require.NoError(t, tk.took(0))
	mustEnd(t, tk)
}

// TestZeroFallsBack: freeing, then zeroing, then the emulation, but only before any effect.
func TestZeroFallsBack(t *testing.T) {
	const no = -int32(unix.EOPNOTSUPP)
	tk := newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpZero, Off: 4096, Len: osfile.MaxSpace + 512, MayUnmap: true}})
	require.EqualValues(t, osfile.PunchHole, mustNext(t, tk).len)
	require.NoError(t, tk.took(no))
	require.EqualValues(t, osfile.ZeroRange, mustNext(t, tk).len)
	require.ErrorIs(t, tk.took(no), errors.ErrUnsupported)

	tk = newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpZero, Off: 4096, Len: osfile.MaxSpace + 512}})
	mustNext(t, tk)
	require.NoError(t, tk.took(0))
	mustNext(t, tk)
	require.Equal(t, error(unix.EIO), tk.took(no), "ErrUnsupported would promise that nothing was done")

	tk = newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpUnmap, Extents: []backstore.Extent{{Len: 512}}}})
	mustNext(t, tk)
	require.NoError(t, tk.took(no))
	require.EqualValues(t, osfile.ZeroRange, mustNext(t, tk).len)
	require.NoError(t, tk.took(0))
	mustEnd(t, tk)

	tk = newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpUnmap, Extents: []backstore.Extent{{Len: 512}, {Off: 1024, Len: 512}}}})
	mustNext(t, tk)
	require.NoError(t, tk.took(no))
	mustNext(t, tk)
	require.ErrorIs(t, tk.took(no), errors.ErrUnsupported, "nothing was done")

	tk = newTask(t, bareStore(false), &armed{Op: backstore.Op{Kind: backstore.OpUnmap, Extents: []backstore.Extent{{Len: 512}, {Off: 1024, Len: 512}}}})
	mustNext(t, tk)
	require.NoError(t, tk.took(0))
	mustNext(t, tk)
	require.NoError(t, tk.took(no))
	mustNext(t, tk)
	require.Equal(t, error(unix.EIO), tk.took(no))
}

// TestNoSpace: a durable write that is told that there is no space was refused, or is told of what the kernel
// has lost; a flush finds out, also when nobody waits any more.
func TestNoSpace(t *testing.T) {
	for res, want := range map[int32]error{0: backstore.ErrNoSpace, -int32(unix.EIO): unix.EIO, -int32(unix.EAGAIN): backstore.ErrNoSpace} {
		for _, opts := range []*Options{nil, {WriteThrough: true}} {
			s := newStore(t, 1<<20, opts)
			op := &armed{Op: backstore.Op{Kind: backstore.OpWrite, FUA: opts == nil, Iov: [][]byte{make([]byte, 512)}}}
			tk := newTask(t, s, op)
			e := mustNext(t, tk)
			require.Equal(t, op.FUA, e.opFlags == unix.RWF_DSYNC)
			require.NoError(t, tk.took(-int32(unix.ENOSPC)))
			var err error
			for range maxRetries + 1 {
				e = mustNext(t, tk)
				require.EqualValues(t, opFsync, e.opcode)
				require.EqualValues(t, fileSync, e.fd)
				require.False(t, tk.told(), "others are held for a flush")
				if err = tk.took(res); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, want)
			require.Equal(t, res != 0, s.base.Err() != nil, "what is not known to be refused is lost")
		}
	}
}

// TestNoSpaceWithoutFlush: where a flush is not told again, the loss is assumed, and durable writes are left out
// that would be told.
func TestNoSpaceWithoutFlush(t *testing.T) {
	s := bareStore(false)
	tk := newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, FUA: true, Iov: [][]byte{make([]byte, 512)}}})
	require.Zero(t, mustNext(t, tk).opFlags)
	require.NoError(t, tk.took(512))
	require.EqualValues(t, opFsync, mustNext(t, tk).opcode)
	require.NoError(t, tk.took(0))
	mustEnd(t, tk)

	tk = newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, FUA: true, Iov: [][]byte{make([]byte, 512)}}})
	mustNext(t, tk)
	require.ErrorIs(t, tk.took(-int32(unix.ENOSPC)), backstore.ErrNoSpace)
	require.NoError(t, s.base.Err(), "it was refused")

	s.file.DSync = true
	tk = newTask(t, s, &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: [][]byte{make([]byte, 512)}}})
	mustNext(t, tk)
	require.ErrorIs(t, tk.took(-int32(unix.ENOSPC)), backstore.ErrNoSpace)
	require.ErrorIs(t, s.base.Err(), backstore.ErrNoSpace)
}

// TestFailedFlushStays: what one flush could not write, no later one reports as written.
func TestFailedFlushStays(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	var events []backstore.Event
	defer s.Notify(func(e backstore.Event) { events = append(events, e) })()
	op := &armed{Op: backstore.Op{Kind: backstore.OpFlush}}
	tk := newTask(t, s, op)
	mustNext(t, tk)
	s.complete(tk.end(), tk.took(-int32(unix.EIO)))
	require.ErrorIs(t, <-op.done, unix.EIO)
	require.ErrorIs(t, s.Flush(t.Context(), 0, 0), unix.EIO)
	require.ErrorIs(t, s.WritevFUA(t.Context(), [][]byte{make([]byte, 512)}, 0), unix.EIO)
	require.Equal(t, []backstore.Event{{Kind: backstore.EventFault, Err: unix.EIO}}, events)
	require.NoError(t, s.Readv(t.Context(), [][]byte{make([]byte, 512)}, 0))
}
