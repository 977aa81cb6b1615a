package sbc_test

import (
	"fmt"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/spc"
)

// An initiator asks how large a unit is and what it can do.
func Example() {
	data := sbc.AppendCapacity16(nil, &sbc.Capacity{LastLBA: 2097151, BlockSize: 512, PhysExponent: 3, LBPME: true, LBPRZ: true})
	c, err := sbc.ParseCapacity16(data)
	fmt.Println((c.LastLBA+1)*uint64(c.BlockSize)>>20, "MiB,", c.BlockSize<<c.PhysExponent, "bytes a physical block,", err)

	page := spc.AppendVPD(nil, spc.Peripheral(spc.Connected, scsi.TypeDisk), sbc.VPDLimits,
		sbc.AppendLimits(nil, &sbc.Limits{MaxCompareAndWrite: 255, MaxUnmapBlocks: 1 << 20, MaxUnmapExtents: 256}))
	v, _ := spc.ParseVPD(page)
	l, _ := sbc.ParseLimits(v.Body)
	fmt.Println(l.MaxCompareAndWrite, l.MaxUnmapBlocks, l.MaxUnmapExtents)
	// Output:
	// 1024 MiB, 4096 bytes a physical block, <nil>
	// 255 1048576 256
}

// A device server checks a whole UNMAP parameter list before it frees anything.
func ExampleParseUnmap() {
	list := sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 8, Blocks: 8}, {LBA: 4096, Blocks: 1024}})
	l, err := sbc.ParseUnmap(list)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits := sbc.Limits{MaxUnmapBlocks: 1 << 20, MaxUnmapExtents: 256}
	fmt.Println(l.Blocks(), l.Check(&limits, 8192), l.Check(&limits, 5000))
	for e := range l.All() {
		fmt.Println(e.LBA, e.Blocks)
	}
	// Output:
	// 1032 <nil> illegal request: logical block address out of range (5/21/00)
	// 8 8
	// 4096 1024
}

func ExampleWriteSame_Check() {
	cdb := scsi.AppendCDB(nil, scsi.Lookup(scsi.TypeDisk, []byte{byte(scsi.OpWriteSame16), 0}), 0, 100)
	cdb[1] = 0x08 // UNMAP
	w, _ := sbc.ParseWriteSame(cdb)
	fmt.Println(w.Check(cdb, &sbc.WriteSameRules{Unmap: true}, 100, 1000))
	fmt.Println(w.Check(cdb, &sbc.WriteSameRules{}, 100, 1000))
	// Output:
	// <nil>
	// illegal request: invalid field in cdb (5/24/00)
}
