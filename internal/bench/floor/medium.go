package floor

import (
	"fmt"

	"github.com/goscst/goscst/internal/bench/wire"
)

// medium is what reads are answered from.
type medium struct {
	blob   []byte // one page, many times: what any read returns if there is no disk
	disk   []byte
	blocks uint32 // that READ CAPACITY tells
}

// newMedium makes one with a disk of that many bytes, or without one for 0.
func newMedium(disk int64) (*medium, error) {
	if disk == 0 {
		blob, err := wire.Zeros(maxData)
		return &medium{blob: blob, blocks: Blocks}, err
	}
	if disk < 0 || disk%wire.HugePage != 0 || disk/BlockSize >= 1<<32 {
		return nil, fmt.Errorf("floor: a disk of %d bytes: a multiple of %d below 2 TiB is allowed", disk, wire.HugePage)
	}
	b, err := wire.Memory(int(disk))
	if err != nil {
		return nil, err
	}
	for i := range b {
		b[i] = Pattern(int64(i)) // the first touch of a page is slow
	}
	return &medium{disk: b, blocks: uint32(disk / BlockSize)}, nil
}

// free gives the memory of the disk back. Nobody may use it then.
func (m *medium) free() {
	if m.disk != nil {
		wire.Free(m.disk)
	}
}

// at returns the n bytes, at most maxData, from block lba on; nil if they do not exist.
func (m *medium) at(lba uint32, n int) []byte {
	if m.disk == nil {
		return m.blob[:n]
	}
	begin := uint64(lba) * BlockSize
	if begin+uint64(n) > uint64(len(m.disk)) {
		return nil
	}
	return m.disk[begin : begin+uint64(n)]
}

// Pattern returns what the byte at that offset of a disk is.
func Pattern(at int64) byte { return byte(at>>9) ^ byte(at>>17) ^ byte(at) }
