package local_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// A program serves a disk to itself.
func Example() {
	ctx := context.Background()
	eng := engine.New(nil)
	ram, err := eng.AddDevice("ram0", disk.New(mem.New(1<<20), nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	tgt, err := eng.AddTarget("self", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := tgt.Map(0, ram, nil); err != nil {
		log.Fatal(err)
	}
	tgt.Enable()

	ini, err := local.Login(ctx, tgt, nil)
	if err != nil {
		log.Fatal(err)
	}
	d, err := ini.Disk(ctx, 0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := d.WriteAt([]byte("hello"), 1000); err != nil {
		log.Fatal(err)
	}
	p := make([]byte, 5)
	if _, err := d.ReadAt(p, 1000); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes\n", p, d.Size())

	_, err = ini.Do(ctx, 0, scsi.AppendRead16(nil, 1<<40, 1), nil, make([]byte, 512))
	fmt.Println(errors.Is(err, scsi.LBAOutOfRange))
	fmt.Println(ini.Close(), eng.Close())
	// Output:
	// hello, 1048576 bytes
	// true
	// <nil> <nil>
}
