package wire

import "golang.org/x/sys/unix"

// Zeros returns n bytes of read-only memory, a multiple of the page size, that are one and the
// same page of zeroes of the kernel's: to send them costs no memory traffic.
func Zeros(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) // a kernel without huge pages does not know it
	return b, nil
}

// HugePage is what Memory's length is a multiple of, in bytes.
const HugePage = 2 << 20

// Memory returns n bytes of memory, a multiple of HugePage, in huge pages where the kernel has
// them. It is not the collector's: Free gives it back.
func Memory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a kernel without huge pages does not know it
	return b, nil
}

// Free gives what Memory returned back.
func Free(b []byte) { _ = unix.Munmap(b) } // fails for other memory alone
