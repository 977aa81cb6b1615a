// Command hello serves a 64 MiB RAM disk over iSCSI on 127.0.0.1:3260.
package main

import (
	"log"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

func main() {
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
	srv := &iscsi.Server{Engine: eng}
	log.Fatal(srv.ListenAndServe("127.0.0.1:3260"))
}
