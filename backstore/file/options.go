package file

import (
	"errors"
	"fmt"

	"github.com/goscst/goscst/backstore"
)

// ErrInUse says that somebody else has locked the file.
var ErrInUse = errors.New("file: in use by another store or process")

// Options say how a file is opened. The zero value opens an existing file for reading and writing
// through the page cache.
type Options struct {
	// Create makes the file if it does not exist, with permissions 0600. Size must be set.
	Create bool

	// Size is the size of the disk in bytes, a multiple of BlockSize. 0: what whole blocks the
	// file holds. A shorter file is extended, a longer one is refused: nothing is cut off.
	Size int64

	BlockSize     int  // bytes; 0: 512
	PhysBlockSize int  // bytes; 0: 4096, or BlockSize if that is more
	ReadOnly      bool // open for reading; several stores may share the file
	Direct        bool // O_DIRECT; refused where the file system cannot, or BlockSize is too small
	WriteThrough  bool // O_DSYNC: no write cache
	Thick         bool // allocate the whole file, and offer neither Unmap nor the map of blocks
	Rotational    bool // report a medium that rotates

	// NoLock leaves out the advisory lock (flock) that keeps two writers, or a writer and a
	// reader, from serving one file. Locks belong to the open file, so they also work between
	// two stores of one process. They are not known to all file systems; see ErrInUse.
	NoLock bool

	// NoMap leaves out the mapping of the file from which READs are sent without a copy, as is
	// done by itself where it would not work; see the package documentation.
	NoMap bool

	// Without hides abilities, for comparing a native one with its emulation.
	Without backstore.Cap
}

// geometry fills in the defaults and checks what can be checked before the file is open.
func (o *Options) geometry() (backstore.Geometry, error) {
	g := backstore.Geometry{
		Size:          o.Size,
		BlockSize:     o.BlockSize,
		PhysBlockSize: o.PhysBlockSize,
		ReadOnly:      o.ReadOnly,
		Rotational:    o.Rotational,
		Volatile:      !o.WriteThrough,
		Without:       o.Without,
	}
	if g.BlockSize == 0 {
		g.BlockSize = 512
	}
	if g.PhysBlockSize == 0 {
		g.PhysBlockSize = max(4096, g.BlockSize)
	}
	if o.Thick {
		g.Without |= backstore.CapUnmap | backstore.CapExtents
	}
	if o.NoMap {
		g.Without |= backstore.CapLendMapped
	}
	if o.Create && o.Size == 0 {
		return g, errors.New("file: Create needs a Size")
	}
	if o.Create && o.ReadOnly {
		return g, errors.New("file: Create and ReadOnly exclude each other")
	}
	return g, g.Validate()
}

// fit compares the wanted size with that of the file, which has n bytes, and returns the size of
// the disk.
func (o *Options) fit(n int64, blockSize int) (int64, error) {
	whole := n - n%int64(blockSize)
	switch {
	case o.Size == 0:
		return whole, nil
	case n > o.Size:
		return 0, fmt.Errorf("file: has %d bytes, more than the size %d", n, o.Size)
	case n < o.Size && o.ReadOnly:
		return 0, fmt.Errorf("file: has %d bytes, less than the size %d, and is read-only", n, o.Size)
	}
	return o.Size, nil
}
