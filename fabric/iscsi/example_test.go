package iscsi_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// A server with one disk in memory, on whatever port is free.
func ExampleServer() {
	eng := engine.New(nil)
	ram, err := eng.AddDevice("ram0", disk.New(mem.New(64<<20), nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	tgt, err := eng.AddTarget("iqn.2026-11.com.example:hello", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := tgt.Map(0, ram, nil); err != nil {
		log.Fatal(err)
	}
	tgt.Enable()

	srv := &iscsi.Server{
		Engine:  eng,
		Options: iscsi.Options{NopInterval: 10 * time.Second},
		// Behind a translation of addresses, initiators have to be told the outer one.
		Advertise: func(string, net.Addr) []iscsi.Portal {
			return []iscsi.Portal{{Host: "storage.example.com"}}
		},
	}
	addr, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(addr.Network(), len(srv.Sessions()), "sessions")

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if err := eng.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: tcp 0 sessions
}
