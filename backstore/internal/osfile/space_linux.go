package osfile

import "golang.org/x/sys/unix"

// The modes of fallocate that leave the length alone.
const (
	PunchHole = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE // free
	ZeroRange = unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE // make zero, and keep or become allocated
)

// Fallocate changes the allocation of a range. Mode 0 allocates what is a hole.
func (f *File) Fallocate(mode uint32, off, n int64) error {
	return Retry(func() error { return unix.Fallocate(f.FD, mode, off, n) })
}

// CanPunch finds out whether holes can be punched into a file of size bytes, in blocks of unit:
// behind its end there is nothing to punch one into.
func (f *File) CanPunch(size, unit int64) bool {
	return f.Fallocate(PunchHole, (size+unit-1)/unit*unit, unit) == nil
}

// Free frees a range, or zeroes it where the system cannot.
func (f *File) Free(off, n int64) error {
	err := f.Fallocate(PunchHole, off, n)
	if isUnsupported(err) {
		return f.Zero(off, n)
	}
	return err
}

// Zero zeroes a range and keeps it allocated.
func (f *File) Zero(off, n int64) error { return f.Fallocate(ZeroRange, off, n) }
