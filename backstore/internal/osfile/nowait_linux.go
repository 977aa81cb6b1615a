package osfile

import (
	"context"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

// maxBrief is how much is read by a brief call at most, in bytes: some microseconds' worth.
const maxBrief = 64 << 10

// CanNowait finds out whether reads can be tried. Direct I/O always waits for the drive.
func (f *File) CanNowait() bool {
	if f.Direct || f.Memory {
		return !f.Direct
	}
	_, err := unix.Preadv2(f.FD, [][]byte{make([]byte, f.BlockSize)}, 0, unix.RWF_NOWAIT)
	return err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// TryRead reads what does not have to be waited for, or returns backstore.ErrWouldBlock. Where a part of
// the range is missing from the page cache the system returns the other part, which counts for nothing
// here.
func (f *File) TryRead(iov [][]byte, off int64) error {
	if f.Direct {
		return backstore.ErrWouldBlock
	}
	if len(iov) == 1 && len(iov[0]) <= maxBrief && f.readBrief(iov[0], off) == len(iov[0]) {
		return nil
	}
	if f.Memory {
		return f.Transfer(context.Background(), Read, iov, off)
	}
	for len(iov) > 0 {
		part := iov[:min(len(iov), smallVec)]
		want := backstore.Len(part)
		if want > 0 {
			n, err := unix.Preadv2(f.FD, part, off, unix.RWF_NOWAIT)
			if err != nil || int64(n) != want {
				return backstore.ErrWouldBlock // an error shows again in Transfer
			}
		}
		iov, off = iov[len(part):], off+want
	}
	return nil
}

// readBrief reads at off what the page cache has of p, and returns how many bytes that are; less
// than it has to be means nothing. The call cannot wait, so it is made without telling Go's
// scheduler: the first call that it is told of after the process has slept wakes the thread that
// watches over calls that block, which takes longer than to read 4 KiB.
func (f *File) readBrief(p []byte, off int64) int {
	flags := uintptr(unix.RWF_NOWAIT)
	if f.Memory {
		flags = 0 // which file systems in memory refuse, and do not need
	}
	var vec unix.Iovec
	vec.Base = unsafe.SliceData(p)
	vec.SetLen(len(p))
	const half = 8 * unix.SizeofLong / 2 // of a register, so that no shift is as wide as one
	low, high := uintptr(off), uintptr(uint64(off)>>half>>half)
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(f.FD), uintptr(unsafe.Pointer(&vec)), 1, low, high, flags)
	if errno != 0 {
		return -1
	}
	return int(n)
}

// TryWrite writes to the page cache if that does not wait, or returns backstore.ErrWouldBlock. What is
// begun is finished, because a caller that is told ErrWouldBlock relies on the old contents.
func (f *File) TryWrite(iov [][]byte, off int64) error {
	if f.Memory {
		return f.Transfer(context.Background(), Write, iov, off)
	}
	c := Cursor{Iov: iov}
	if f.Direct || f.DSync || f.noNowaitWrite.Load() {
		return backstore.ErrWouldBlock
	}
	if !c.More() {
		return nil
	}
	k := c.whole(smallVec, off, f.BlockSize)
	if k == 0 {
		return backstore.ErrWouldBlock
	}
	n, err := unix.Pwritev2(f.FD, c.Iov[:k], off, unix.RWF_NOWAIT)
	if err != nil && (isUnsupported(err) || errors.Is(err, unix.EINVAL)) {
		f.noNowaitWrite.Store(true)
	}
	if err != nil || n <= 0 {
		return backstore.ErrWouldBlock
	}
	c.Skip(n)
	return f.move(context.Background(), Write, c, off+int64(n))
}
