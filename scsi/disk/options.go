package disk

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
)

// Limits that every disk has, as VPD page B0h says.
const (
	maxUnmapBlocks  = 1 << 20 // of one UNMAP command
	maxUnmapExtents = 256     // descriptors of one UNMAP command
	maxCompare      = 255     // blocks of one COMPARE AND WRITE

	defaultTransfer  = 16 << 20
	defaultWriteSame = 16 << 20
	maxTransfer      = 1 << 30
)

// Options describe a disk. The zero value is ready for use. What is out of range is an
// error of Describe, and so of engine.AddDevice.
type Options struct {
	Vendor   string // T10 vendor identification, 8 ASCII bytes; "": GOSCST
	Product  string // product identification, 16 ASCII bytes; "": VIRTUAL DISK
	Revision string // product revision level, 4 ASCII bytes; "": 0001

	// Names of the unit (VPD pages 80h and 83h). What is empty comes from the store's
	// Identity, and what that does not know is made of the device's name.
	Serial string // ASCII
	NAA    []byte // 8 or 16 bytes, NAA nibble included
	EUI64  []byte // 8, 12 or 16 bytes
	Name   string // SCSI name string

	BlockSize        int // bytes of a logical block, a power-of-two multiple of the store's; 0: the store's, 512 without one
	PhysicalExponent int // log2 of the logical blocks in a physical one, at most 15; 0: as the store says; <0: one block

	Removable    bool // the medium can be taken out
	ReadOnly     bool // every command that changes the medium is refused
	NoThin       bool // UNMAP and WRITE SAME with UNMAP are not offered although the store can free blocks
	WriteThrough bool // WCE is clear at the start
	KeepStore    bool // Close leaves the store open

	MaxTransfer  int64 // bytes that one command moves at most; 0: 16 MiB, at most 1 GiB
	MaxWriteSame int64 // bytes that one WRITE SAME changes at most; 0: 16 MiB; <0: no limit

	// Control is the control mode page at the start. nil: commands may be reordered, and
	// each nexus has a task set of its own (QueueAlg 1, TST 1); everything else is off.
	Control *scsi.Control
}

// shape is the part of a disk that never changes: what it advertises.
type shape struct {
	blockSize    int
	shift        uint // log2 of blockSize
	physExponent uint8
	thin         bool // UNMAP and WRITE SAME with UNMAP are offered
	volatile     bool // WCE can be set
	granularity  uint32
	optimalIO    uint32 // blocks
	rotational   bool
	maxTransfer  int64  // bytes
	maxCompare   uint8  // blocks
	maxWriteSame uint64 // blocks; 0: no limit
}

// makeShape resolves options and store once. ab is that of the store, which may be nil.
func makeShape(o *Options, store backstore.Backstore, ab *backstore.Abilities) (shape, error) {
	geo := backstore.Geometry{BlockSize: o.BlockSize}
	if geo.BlockSize == 0 {
		geo.BlockSize = 512
	}
	s := shape{thin: !o.NoThin}
	if store != nil {
		geo = store.Geometry()
		s.thin = s.thin && ab.Unmapper != nil
	} else if !o.Removable {
		return s, errors.New("disk: a store is needed, unless the medium is removable")
	}
	if err := geo.Validate(); err != nil {
		return s, fmt.Errorf("disk: %w", err)
	}
	s.blockSize = geo.BlockSize
	if o.BlockSize != 0 {
		s.blockSize = o.BlockSize
	}
	if err := checkBlockSize(s.blockSize, geo); err != nil {
		return s, err
	}
	s.shift = uint(bits.TrailingZeros(uint(s.blockSize)))
	s.volatile, s.rotational = geo.Volatile, geo.Rotational
	switch {
	case o.PhysicalExponent > 15:
		return s, fmt.Errorf("disk: PhysicalExponent is %d, at most 15 is allowed", o.PhysicalExponent)
	case o.PhysicalExponent > 0:
		s.physExponent = uint8(o.PhysicalExponent)
	case o.PhysicalExponent == 0:
		for n := s.blockSize; n < geo.PhysBlockSize && s.physExponent < 15; n <<= 1 {
			s.physExponent++
		}
	}
	s.maxTransfer = o.MaxTransfer
	if s.maxTransfer == 0 {
		s.maxTransfer = defaultTransfer
	}
	if s.maxTransfer < 2*int64(s.blockSize) || s.maxTransfer > maxTransfer {
		return s, fmt.Errorf("disk: MaxTransfer is %d, two blocks to %d are allowed", o.MaxTransfer, maxTransfer)
	}
	s.maxTransfer &^= int64(s.blockSize) - 1
	s.maxCompare = uint8(min(maxCompare, s.maxTransfer/2/int64(s.blockSize)))
	switch {
	case o.MaxWriteSame == 0:
		s.maxWriteSame = uint64(max(defaultWriteSame>>s.shift, 1))
	case o.MaxWriteSame > 0:
		s.maxWriteSame = uint64(max(o.MaxWriteSame>>s.shift, 1))
	}
	s.granularity = uint32(max(geo.DiscardUnit>>s.shift, 1))
	s.optimalIO = uint32(min(int64(geo.OptimalIO), s.maxTransfer) >> s.shift)
	return s, nil
}

// checkBlockSize checks that blocks of size bytes can be made of those of a store.
func checkBlockSize(size int, geo backstore.Geometry) error {
	if size < backstore.MinBlockSize || size > backstore.MaxBlockSize || size&(size-1) != 0 {
		return fmt.Errorf("disk: BlockSize is %d, a power of two from %d to %d is needed", size, backstore.MinBlockSize, backstore.MaxBlockSize)
	}
	if size < geo.BlockSize {
		return fmt.Errorf("disk: BlockSize is %d, less than the %d of the store", size, geo.BlockSize)
	}
	return nil
}
