package mem

import (
	"fmt"

	"github.com/goscst/goscst/backstore"
)

// MaxSize is the largest size of a store in bytes.
const MaxSize = 1 << 50

// Options describe a store. The zero value is what New uses.
type Options struct {
	BlockSize     int   // bytes; 0: 512
	PhysBlockSize int   // bytes; 0: 4096, or BlockSize if that is more
	Limit         int64 // bytes of memory that writes may take, whole pages; 0: no limit; past it: ErrNoSpace
	Thick         bool  // offer neither Unmap nor the map of blocks; memory is still taken on demand
	Volatile      bool  // announce a write cache, so that initiators flush; flushing has no effect
	SmallPages    bool  // do not ask the system for huge pages

	// Without hides abilities, for comparing a native one with its emulation.
	Without backstore.Cap
}

// geometry fills in the defaults and checks the result.
func (o *Options) geometry(size int64) (backstore.Geometry, error) {
	g := backstore.Geometry{
		Size:          size,
		BlockSize:     o.BlockSize,
		PhysBlockSize: o.PhysBlockSize,
		Volatile:      o.Volatile,
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
	if size > MaxSize {
		return g, fmt.Errorf("mem: size %d is more than %d", size, int64(MaxSize))
	}
	if o.Limit < 0 {
		return g, fmt.Errorf("mem: limit %d is negative", o.Limit)
	}
	return g, g.Validate()
}
