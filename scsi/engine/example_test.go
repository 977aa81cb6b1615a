package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// A target shows a disk to everybody, and one more to the initiators of a group; the group's logical
// units change while its initiators are logged in.
func Example() {
	eng := engine.New(nil)
	if err := groups(eng); err != nil {
		fmt.Println(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := eng.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// guest sees 0=system; db1 sees 0=system 7=data;
	// guest sees 0=system; db1 sees 0=system;
	// db1: unit attention: reported luns data has changed (6/3f/0e)
}

func groups(eng *engine.Engine) error {
	system, err := eng.AddDevice("system", disk.New(mem.New(1<<20), nil), nil)
	if err != nil {
		return err
	}
	data, err := eng.AddDevice("data", disk.New(mem.New(1<<30), nil), nil)
	if err != nil {
		return err
	}
	tgt, err := eng.AddTarget("iqn.2026-11.com.example:storage", nil)
	if err != nil {
		return err
	}
	if err := tgt.Map(0, system, &engine.LUNOptions{ReadOnly: true}); err != nil {
		return err
	}
	staff := tgt.Group("staff")
	if err := staff.AddInitiator("db*"); err != nil {
		return err
	}
	if err := staff.Map(0, system, nil); err != nil {
		return err
	}
	if err := staff.Map(7, data, nil); err != nil {
		return err
	}
	tgt.Enable() // last, so that nobody sees half of it

	ctx := context.Background()
	guest, err := local.Login(ctx, tgt, &local.Options{Name: "guest"})
	if err != nil {
		return err
	}
	defer guest.Close()
	db1, err := local.Login(ctx, tgt, &local.Options{Name: "db1"})
	if err != nil {
		return err
	}
	defer db1.Close()
	if err := db1.WaitReady(ctx, 0); err != nil {
		return err
	}

	fmt.Println(luns(tgt, guest), luns(tgt, db1))

	// Unmap returns when no command uses the data any more; the initiators of the group are told.
	if err := staff.Unmap(ctx, 7); err != nil {
		return err
	}
	fmt.Println(luns(tgt, guest), luns(tgt, db1))
	_, err = db1.Do(ctx, 0, make([]byte, 6), nil, nil) // TEST UNIT READY
	fmt.Println("db1:", err)
	return data.Remove(ctx)
}

// luns lists the logical units that an initiator sees.
func luns(tgt *engine.Target, i *local.Initiator) string {
	s := i.Session()
	text := s.Initiator + " sees"
	for _, l := range tgt.Group(s.Group).LUNs() {
		text += fmt.Sprintf(" %d=%s", l.LUN, l.Device)
	}
	return text + ";"
}
