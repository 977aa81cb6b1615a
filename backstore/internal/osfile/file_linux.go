package osfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// smallVec is how many elements go to the system without an allocation.
const smallVec = 8

// File is an open file or block device. Its methods are safe for concurrent use; its fields are set
// before.
type File struct {
	F         *os.File
	FD        int
	SyncFD    int  // what Datasync works on; see OpenApart
	BlockSize int  // bytes in a block of the disk: none is written in two steps
	Unit      int  // bytes: what elements consist of for direct I/O; 0: the system tells
	Direct    bool // O_DIRECT
	DSync     bool // O_DSYNC
	Memory    bool // in a file system in memory: nothing blocks
	ReadOnly  bool // not open for writing

	// Datasync makes what was written durable; tests have it fail.
	Datasync func() error

	Buffers Buffers

	again *os.File // of SyncFD; nil: it is FD

	noSyncWrite   atomic.Bool // RWF_DSYNC was refused
	noNowaitWrite atomic.Bool // RWF_NOWAIT was refused for a write
}

// Init takes f over.
func (f *File) Init(file *os.File) {
	f.F, f.FD = file, int(file.Fd())
	f.SyncFD = f.FD
	f.Datasync = func() error { return Retry(func() error { return unix.Fdatasync(f.SyncFD) }) }
}

// OpenApart opens the file a second time, for Datasync. The system tells an error of write-back to
// everybody once who has opened the file: so it tells a flush also what it has told a durable write
// before. When it has told a durable write that there is no space, it may have refused the data, or
// lost something that it had taken: a flush finds out. Where there is no /proc, or the file may not be
// opened again, no durable writes are made; see Durable.
func (f *File) OpenApart() {
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.FD), unix.O_RDONLY, 0)
	if err != nil {
		return
	}
	f.again, f.SyncFD = again, int(again.Fd())
}

// Apart reports whether Datasync is told of every loss, whoever else is.
func (f *File) Apart() bool { return f.again != nil }

// Durable reports whether a durable write may be tried.
func (f *File) Durable() bool { return (f.Apart() || f.Direct) && !f.noSyncWrite.Load() }

// Close closes what is open.
func (f *File) Close() error {
	f.Buffers.Drop()
	if f.again != nil {
		return errors.Join(f.again.Close(), f.F.Close())
	}
	return f.F.Close()
}

// FileSystem tells the file system of a regular file by its magic number, 0 if it is not known, and sets
// Memory. The files of devices are in a file system in memory too, which says nothing of the device.
func (f *File) FileSystem() (magic uint32) {
	var st unix.Statfs_t
	if unix.Fstatfs(f.FD, &st) != nil {
		return 0
	}
	magic = uint32(st.Type)
	f.Memory = magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC
	return magic
}

// DirectUnit returns what direct I/O moves multiples of, in bytes; 0: it does not work here. It is
// not known if the system does not tell.
func (f *File) DirectUnit() (n int, known bool) {
	var sx unix.Statx_t
	err := unix.Statx(f.FD, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &sx)
	return int(sx.Dio_offset_align), err == nil && sx.Mask&unix.STATX_DIOALIGN != 0
}

// Transfer moves all of iov, or fails. Where the system does not know durable writes, WriteSync fails
// with an errors.ErrUnsupported before any effect.
func (f *File) Transfer(ctx context.Context, kind Kind, iov [][]byte, off int64) error {
	if f.Direct && f.Unit > 0 && !aligned(iov, f.Unit) {
		return f.bounced(ctx, kind, Cursor{Iov: iov}, off)
	}
	return f.move(ctx, kind, Cursor{Iov: iov}, off)
}

// move is Transfer from c on.
func (f *File) move(ctx context.Context, kind Kind, c Cursor, off int64) error {
	if kind == WriteSync && !f.Durable() {
		return errors.ErrUnsupported
	}
	for c.More() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.once(kind, c, off)
		switch {
		case err == nil && n > 0:
			c.Skip(n)
			off += int64(n)
		case err == nil:
			return kind.stuck()
		case errors.Is(err, unix.EINTR):
		case kind == WriteSync && !f.Direct && errors.Is(err, unix.EINVAL), kind == WriteSync && isUnsupported(err):
			f.noSyncWrite.Store(true)
			return errors.ErrUnsupported
		case errors.Is(err, errUneven), f.Direct && errors.Is(err, unix.EINVAL):
			return f.bounced(ctx, kind, c, off) // or memory that direct I/O cannot use
		default:
			return MapError(err)
		}
	}
	return nil
}

// errUneven says that a vector cannot be cut into whole blocks at the limits of the system.
var errUneven = errors.New("osfile: vector needs gathering")

// once makes one system call for what is at c, which is not the end, and returns how many bytes
// it moved.
func (f *File) once(kind Kind, c Cursor, off int64) (int, error) {
	few := smallVec
	if f.Direct || kind == WriteSync {
		few = maxVec // each call waits for the drive: make one
	}
	k := c.whole(few, off, f.BlockSize)
	switch {
	case k == 0:
		return 0, errUneven
	case k == 1:
		return f.piece(kind, c.piece(off, f.BlockSize), off)
	case kind == Read:
		return unix.Preadv(f.FD, c.Iov[:k], off)
	case kind == Write:
		return unix.Pwritev(f.FD, c.Iov[:k], off)
	}
	return unix.Pwritev2(f.FD, c.Iov[:k], off, unix.RWF_DSYNC)
}

// piece is once for one piece of memory.
func (f *File) piece(kind Kind, b []byte, off int64) (int, error) {
	switch kind {
	case Read:
		return unix.Pread(f.FD, b, off)
	case Write:
		return unix.Pwrite(f.FD, b, off)
	}
	one := [1][]byte{b}
	return unix.Pwritev2(f.FD, one[:], off, unix.RWF_DSYNC)
}

// bounced moves what is at c through an aligned buffer.
func (f *File) bounced(ctx context.Context, kind Kind, c Cursor, off int64) error {
	buf, err := f.Buffers.Get()
	if err != nil {
		return err
	}
	defer f.Buffers.Put(buf)
	for left := c.Left(); left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		room := int64(len(buf)) - off&int64(f.BlockSize-1) // ends with a block
		part := buf[:min(left, room)]
		if kind != Read {
			c.Gather(part)
		}
		if err := f.all(kind, part, off); err != nil {
			return err
		}
		if kind == Read {
			c.Scatter(part)
		}
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return nil
}

// all moves all of b.
func (f *File) all(kind Kind, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := f.piece(kind, b, off)
		switch {
		case err == nil && n > 0:
			b, off = b[n:], off+int64(n)
		case err == nil:
			return kind.stuck()
		case !errors.Is(err, unix.EINTR):
			return MapError(err)
		}
	}
	return nil
}

// Probe reads n bytes at off through an aligned buffer, for a try.
func (f *File) Probe(off int64, n int) error {
	buf, err := f.Buffers.Get()
	if err != nil {
		return err
	}
	defer f.Buffers.Put(buf)
	return f.all(Read, buf[:n], off)
}

func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
