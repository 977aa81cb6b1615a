package block

import (
	"errors"

	"github.com/goscst/goscst/backstore"
)

// ErrInUse says that the device is mounted, or open for exclusive use elsewhere.
var ErrInUse = errors.New("block: in use by a file system, another store or another process")

// Options say how a device is opened. The zero value opens it for reading and writing, exclusively,
// with direct I/O.
type Options struct {
	// BlockSize is the logical block of the disk in bytes, a multiple of that of the device.
	// 0: that of the device. Bytes at the end of the device that make no whole block are left out.
	BlockSize int

	ReadOnly     bool // open for reading; a write-protected device is read-only anyway
	Buffered     bool // use the page cache instead of direct I/O
	WriteThrough bool // O_DSYNC: what is written is durable, WCE is 0

	// Shared leaves out exclusive use. Exclusive use keeps out only those who ask for it as well:
	// file systems, device mapper, swap, and other stores. A shared device is neither unmapped nor
	// zeroed by commands of its own, which the kernel keeps for who is alone.
	Shared bool

	// DiscardZeroes vouches that the device returns zeroes for blocks after they were discarded, which
	// the kernel cannot know. It only matters where the device has no command that writes zeroes.
	DiscardZeroes bool

	// Without hides abilities, for comparing a native one with its emulation.
	Without backstore.Cap
}
