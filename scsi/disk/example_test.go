package disk_test

import (
	"context"
	"fmt"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

// A disk on a megabyte of memory, with names of its own. An engine would run it; here a
// recorder does.
func Example() {
	d := disk.New(mem.New(1<<20), &disk.Options{
		Vendor:    "EXAMPLE",
		Product:   "RAM DISK",
		Serial:    "0001",
		BlockSize: 4096,
	})
	r, err := scsitest.New(d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	fmt.Println(d.Blocks(), "blocks of", d.BlockSize(), "bytes")
	fmt.Println(r.Do(scsi.AppendWrite16(nil, 7, 1), make([]byte, 4096)).Status)
	fmt.Println(r.Do(scsi.AppendRead16(nil, 256, 1), nil).Err)
	// Output:
	// 256 blocks of 4096 bytes
	// GOOD
	// illegal request: logical block address out of range (5/21/00)
}

// A removable disk begins without a medium.
func ExampleDisk_Insert() {
	ctx := context.Background()
	d := disk.New(nil, &disk.Options{Removable: true})
	r, err := scsitest.New(d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	testUnitReady := make([]byte, 6)
	fmt.Println(r.Do(testUnitReady, nil).Code())
	fmt.Println(d.Insert(ctx, mem.New(1<<20)))
	fmt.Println(r.Do(testUnitReady, nil).Status)
	store, err := d.Eject(ctx, false)
	fmt.Println(store.Geometry().Size, err)
	fmt.Println(store.Close())
	// Output:
	// not ready: medium not present (2/3a/00)
	// <nil>
	// GOOD
	// 1048576 <nil>
	// <nil>
}
