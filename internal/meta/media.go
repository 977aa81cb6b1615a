package meta

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// named is a command and its operation code.
type named struct {
	name string
	op   scsi.Opcode
}

var (
	reads    = []named{{"READ(6)", scsi.OpRead6}, {"READ(10)", scsi.OpRead10}, {"READ(12)", scsi.OpRead12}, {"READ(16)", scsi.OpRead16}}
	writes   = []named{{"WRITE(6)", scsi.OpWrite6}, {"WRITE(10)", scsi.OpWrite10}, {"WRITE(12)", scsi.OpWrite12}, {"WRITE(16)", scsi.OpWrite16}}
	writesV  = []named{{"WRITE AND VERIFY(10)", scsi.OpWriteVerify10}, {"WRITE AND VERIFY(12)", scsi.OpWriteVerify12}, {"WRITE AND VERIFY(16)", scsi.OpWriteVerify16}}
	verifies = []named{{"VERIFY(10)", scsi.OpVerify10}, {"VERIFY(12)", scsi.OpVerify12}, {"VERIFY(16)", scsi.OpVerify16}}
	syncs    = []named{{"SYNCHRONIZE CACHE(10)", scsi.OpSynchronizeCache10}, {"SYNCHRONIZE CACHE(16)", scsi.OpSynchronizeCache16}}
	sames    = []named{{"WRITE SAME(10)", scsi.OpWriteSame10}, {"WRITE SAME(16)", scsi.OpWriteSame16}}
)

func (g *generator) one(list []named) named { return list[g.rnd.IntN(len(list))] }

// media makes a command for the blocks of a zone.
func (g *generator) media(zone uint64) Op {
	switch k := g.rnd.IntN(100); {
	case k < 30:
		x := g.one(reads)
		lba, n := g.pick(zone, most(x.op))
		o := g.rw(x.name, x.op, lba, n, byte(g.rnd.IntN(4))<<3) // DPO and FUA
		o.read(g)
		return o
	case k < 58:
		return g.write(zone, g.one(writes), byte(g.rnd.IntN(4))<<3)
	case k < 64:
		return g.write(zone, g.one(writesV), byte(g.rnd.IntN(2))<<4) // DPO
	case k < 72:
		return g.verify(zone)
	case k < 80:
		return g.same(zone)
	case k < 88:
		return g.unmap(zone)
	case k < 94:
		return g.compareAndWrite(zone)
	case k < 96:
		x := g.one(syncs)
		lba, n := g.pick(zone, 1<<15)
		return g.rw(x.name, x.op, lba, n, byte(g.rnd.IntN(2))<<1) // IMMED
	case k < 98:
		return g.lbaStatus(zone)
	default:
		return g.outside()
	}
}

// most is how many blocks a command can name.
func most(op scsi.Opcode) uint32 {
	if op == scsi.OpRead6 || op == scsi.OpWrite6 {
		return 256
	}
	return 1 << 15
}

// write makes a write, sometimes with less or more data than blocks. Part of a block is
// refused; fewer blocks are written as far as they go.
func (g *generator) write(zone uint64, x named, flags byte) Op {
	lba, n := g.pick(zone, most(x.op))
	o := g.rw(x.name, x.op, lba, n, flags)
	o.Out = g.noise(int(n) * g.BlockSize)
	switch g.rnd.IntN(12) {
	case 0:
		o.Out = o.Out[:g.rnd.IntN(int(n)+1)*g.BlockSize]
	case 1:
		o.Out = append(o.Out, g.noise(1+g.rnd.IntN(1000))...)
	case 2:
		o.Out = o.Out[:1+g.rnd.IntN(len(o.Out))]
	}
	if len(o.Out)%g.BlockSize == 0 || len(o.Out) > int(n)*g.BlockSize {
		copy(g.at(lba, n), o.Out)
	}
	return o
}

func (g *generator) verify(zone uint64) Op {
	x := g.one(verifies)
	lba, n := g.pick(zone, 1<<15)
	check := []byte{0, 1, 3}[g.rnd.IntN(3)] // BYTCHK
	o := g.rw(x.name, x.op, lba, n, check<<1)
	switch check {
	case 1:
		o.Out = append([]byte{}, g.at(lba, n)...)
	case 3:
		o.Out = append([]byte{}, g.at(lba, 1)...)
	}
	if len(o.Out) > 0 && g.rnd.IntN(3) == 0 {
		o.Out[g.rnd.IntN(len(o.Out))] ^= 0x40
	}
	return o
}

// same makes WRITE SAME: with UNMAP and with NDOB (SBC-4 5.49), and sometimes with
// ANCHOR, which is refused.
func (g *generator) same(zone uint64) Op {
	x := g.one(sames)
	lba, n := g.pick(zone, 1<<15)
	var flags byte
	if g.rnd.IntN(2) == 0 {
		flags |= 0x08 // UNMAP
		if g.rnd.IntN(4) == 0 {
			flags |= 0x10 // ANCHOR
		}
	}
	block := make([]byte, g.BlockSize)
	if g.rnd.IntN(2) == 0 {
		block = g.noise(g.BlockSize)
	}
	ndob := x.op == scsi.OpWriteSame16 && g.rnd.IntN(4) == 0
	if ndob {
		flags |= 0x01
		clear(block)
	}
	o := g.rw(x.name, x.op, lba, n, flags)
	if !ndob {
		o.Out = block
	}
	if flags&0x10 == 0 {
		for d := g.at(lba, n); len(d) > 0; d = d[len(block):] {
			copy(d, block)
		}
	}
	return o
}

func (g *generator) unmap(zone uint64) Op {
	var extents []sbc.Extent
	for range g.rnd.IntN(5) {
		lba, n := g.pick(zone, 1<<15)
		extents = append(extents, sbc.Extent{LBA: lba, Blocks: n})
		clear(g.at(lba, n))
	}
	o := Op{Name: "UNMAP", CDB: []byte{byte(scsi.OpUnmap), 9: 0}, Out: sbc.AppendUnmap(nil, extents)}
	binary.BigEndian.PutUint16(o.CDB[7:], uint16(len(o.Out)))
	return o
}

func (g *generator) compareAndWrite(zone uint64) Op {
	lba, n := g.pick(zone, 4)
	o := g.rw("COMPARE AND WRITE", scsi.OpCompareAndWrite, lba, n, 0)
	o.Out = append([]byte{}, g.at(lba, n)...)
	next := g.noise(len(o.Out))
	if g.rnd.IntN(3) == 0 {
		o.Out[g.rnd.IntN(len(o.Out))] ^= 0x80
	} else {
		copy(g.at(lba, n), next)
	}
	o.Out = append(o.Out, next...)
	return o
}

func (g *generator) lbaStatus(zone uint64) Op {
	size := g.Blocks / Zones
	lba, _ := g.pick(zone, 1)
	o := Op{Name: "GET LBA STATUS", In: 8 + 16*(1+g.rnd.IntN(8))}
	info := scsi.Lookup(scsi.TypeDisk, []byte{byte(scsi.OpServiceActionIn16), byte(scsi.ActionGetLBAStatus)})
	o.CDB = scsi.AppendCDB(nil, info, lba, uint32(o.In))
	end := (zone + 1) * size // what other commands of the batch write is not looked at
	o.status = &region{lba: lba, block: g.BlockSize, data: append([]byte{}, g.at(lba, uint32(end-lba))...)}
	return o
}

// outside makes a command beyond the end, which is refused.
func (g *generator) outside() Op {
	x := g.one([]named{{"READ(16)", scsi.OpRead16}, {"WRITE(16)", scsi.OpWrite16}, {"VERIFY(16)", scsi.OpVerify16}, {"SYNCHRONIZE CACHE(16)", scsi.OpSynchronizeCache16}})
	lba := g.Blocks - uint64(g.rnd.IntN(3))
	if g.rnd.IntN(3) == 0 {
		lba = g.rnd.Uint64() | 1<<40
	}
	o := g.rw(x.name, x.op, lba, 4, 0)
	switch x.op {
	case scsi.OpRead16:
		o.In = 4 * g.BlockSize
	case scsi.OpWrite16:
		o.Out = g.noise(4 * g.BlockSize)
	}
	return o
}
