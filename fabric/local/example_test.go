package local_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// A program uses a disk of its own target, without a network.
func Example() {
	eng := engine.New(nil)
	defer eng.Close()
	if err := use(eng); err != nil {
		fmt.Println(err)
	}
	// Output:
	// "hello" on a disk of 1048576 bytes
	// beyond the end: true
}

func use(eng *engine.Engine) error {
	ram, err := eng.AddDevice("ram0", disk.New(mem.New(1<<20), nil), nil)
	if err != nil {
		return err
	}
	tgt, err := eng.AddTarget("self", nil)
	if err != nil {
		return err
	}
	if err := tgt.Map(0, ram, nil); err != nil {
		return err
	}
	tgt.Enable()

	ctx := context.Background()
	ini, err := local.Login(ctx, tgt, nil)
	if err != nil {
		return err
	}
	defer ini.Close()
	d, err := ini.Disk(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := d.WriteAt([]byte("hello"), 1000); err != nil {
		return err
	}
	p := make([]byte, 5)
	if _, err := d.ReadAt(p, 1000); err != nil {
		return err
	}
	fmt.Printf("%q on a disk of %d bytes\n", p, d.Size())

	_, err = ini.Do(ctx, 0, scsi.AppendRead16(nil, 1<<40, 1), nil, make([]byte, 512))
	fmt.Println("beyond the end:", errors.Is(err, scsi.LBAOutOfRange))
	return nil
}
