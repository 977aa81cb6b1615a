package meta

import (
	"math/rand/v2"

	"github.com/goscst/goscst/scsi"
)

// Disk is what a list is made for.
type Disk struct {
	Blocks    uint64 // at least Zones times 64
	BlockSize int    // bytes
}

// Zones is how many commands of a batch run at the same time.
const Zones = 16

// generator makes a list, and follows what the disk holds.
type generator struct {
	Disk
	rnd  *rand.Rand
	data []byte // what the disk holds after the commands so far
}

// Generate makes a list of n batches from a seed, for a disk that reads as zeroes at
// first and whose unit attentions have been told. The last batches read all of it.
func Generate(seed uint64, n int, d Disk) [][]Op {
	g := &generator{Disk: d, rnd: rand.New(rand.NewPCG(seed, 1)), data: make([]byte, int(d.Blocks)*d.BlockSize)}
	list := make([][]Op, 0, n+1)
	for range n {
		if g.rnd.IntN(4) == 0 {
			list = append(list, []Op{g.alone()})
			continue
		}
		batch := make([]Op, 1+g.rnd.IntN(Zones))
		for i, z := range g.rnd.Perm(Zones)[:len(batch)] {
			batch[i] = g.media(uint64(z))
		}
		list = append(list, batch)
	}
	last := make([]Op, Zones)
	for z := range last {
		size := d.Blocks / Zones
		last[z] = g.rw("READ(16)", scsi.OpRead16, uint64(z)*size, uint32(size), 0)
		last[z].read(g)
	}
	return append(list, last)
}

// pick chooses blocks of a zone: mostly few, sometimes many, sometimes aligned.
func (g *generator) pick(zone uint64, most uint32) (lba uint64, n uint32) {
	size := g.Blocks / Zones
	n = 1 + g.rnd.Uint32N(8)
	if g.rnd.IntN(8) == 0 {
		n = 1 + g.rnd.Uint32N(uint32(size))
	}
	n = min(n, most)
	lba = g.rnd.Uint64N(size - uint64(n) + 1)
	if g.rnd.IntN(2) == 0 {
		lba &^= 7
	}
	return zone*size + lba, n
}

// at is what the disk holds in n blocks at lba.
func (g *generator) at(lba uint64, n uint32) []byte {
	off := int(lba) * g.BlockSize
	return g.data[off : off+int(n)*g.BlockSize]
}

// noise makes n bytes that are not zero.
func (g *generator) noise(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := g.rnd.Uint64() | 0x0101010101010101
		for k := i; k < min(n, i+8); k++ {
			b[k] = byte(v)
			v >>= 8
		}
	}
	return b
}

// rw makes a command with an LBA and a number of blocks. flags are bits of byte 1.
func (g *generator) rw(name string, op scsi.Opcode, lba uint64, n uint32, flags byte) Op {
	if n == 256 && (op == scsi.OpRead6 || op == scsi.OpWrite6) {
		n = 0 // SBC-4 5.12
	}
	info := scsi.Lookup(scsi.TypeDisk, []byte{byte(op), 0})
	cdb := scsi.AppendCDB(nil, info, lba, n)
	if len(cdb) > 6 {
		cdb[1] |= flags
	}
	return Op{Name: name, CDB: cdb}
}

// read makes o a command that reads the blocks it names.
func (o *Op) read(g *generator) {
	var c scsi.Command
	c.SetCDB(o.CDB)
	if c.Decode(scsi.TypeDisk) != nil {
		return
	}
	data := g.at(c.LBA(), c.Blocks())
	o.In = len(data)
	switch g.rnd.IntN(12) {
	case 0:
		o.In = g.rnd.IntN(len(data) + 1)
	case 1:
		o.In += 1 + g.rnd.IntN(1000)
	}
	o.want = append([]byte{}, data[:min(o.In, len(data))]...)
}
