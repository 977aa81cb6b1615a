// Package goscst is a SCSI target engine for Go programs: what SCST is to the Linux kernel,
// as a library. This package is documentation only; the ones below it do the work.
//
// A program makes an engine.Engine, adds devices (usually a disk on a backstore), adds
// targets that map them as logical units, and attaches transports. This serves a disk in
// memory over iSCSI (examples/hello):
//
//	// Command hello serves a 64 MiB RAM disk over iSCSI on 127.0.0.1:3260.
//	package main
//
//	import (
//		"log"
//
//		"github.com/goscst/goscst/backstore/mem"
//		"github.com/goscst/goscst/fabric/iscsi"
//		"github.com/goscst/goscst/scsi/disk"
//		"github.com/goscst/goscst/scsi/engine"
//	)
//
//	func main() {
//		eng := engine.New(nil)
//		ram, err := eng.AddDevice("ram0", disk.New(mem.New(64<<20), nil), nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		tgt, err := eng.AddTarget("iqn.2026-11.com.example:hello", nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := tgt.Map(0, ram, nil); err != nil {
//			log.Fatal(err)
//		}
//		tgt.Enable()
//		srv := &iscsi.Server{Engine: eng}
//		log.Fatal(srv.ListenAndServe("127.0.0.1:3260"))
//	}
//
// # Three seams
//
// Three things are interfaces, because programs bring their own:
//
//   - backstore.Backstore is block storage: four methods, and small optional interfaces
//     for what a store can do besides. What it lacks is emulated or not advertised.
//   - scsi.Handler is a logical unit of any kind: it executes CDBs. Package scsi/unit has
//     the commands that all of them share.
//   - fabric.Endpoint is a transport's side of a session.
//
// Everything else is a concrete type.
//
// # Packages
//
//   - scsi/engine: devices, targets, initiator groups, LUN maps, sessions, task management
//   - scsi/disk: disks (SBC) on a backstore
//   - scsi/unit: the part of a device (SPC) that all types share, for devices of one's own
//   - scsi: CDBs, sense data, statuses, tasks, and the Handler contract
//   - scsi/spc, scsi/sbc: parameter data, to build and to parse
//   - scsi/scsitest: running a Handler without an engine, in tests
//   - backstore: the store contract and adapters
//   - backstore/mem, backstore/file, backstore/block, backstore/null: stores in memory,
//     in files, on block devices, and without memory
//   - backstore/uring: files and block devices through io_uring
//   - backstore/backstoretest: the suite for stores
//   - backstore/faultstore: errors, delays and power cuts, in tests
//   - fabric/iscsi: the iSCSI transport
//   - fabric/iscsi/iscsitest: an iSCSI initiator, for tests
//   - fabric/local: an initiator in the process itself
//   - fabric: the transport contract
//   - sgv: the scatter-gather buffer cache
//
// # Words
//
// The documentation of package scsi has a glossary: nexus, task, task set, unit attention,
// data-in and data-out. That of scsi/engine draws the life of a command, and says which
// goroutine runs it where. Standards are cited by clause: SAM-5, SPC-4 and SBC-4 of T10,
// and RFC 7143.
package goscst
