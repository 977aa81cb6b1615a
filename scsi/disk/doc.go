// Package disk serves a backstore as a SCSI disk (SBC-4): it is the device type that most
// programs add to an engine.
//
//	ram, err := eng.AddDevice("ram0", disk.New(mem.New(64<<20), nil), nil)
//
// New resolves once what the store can do besides reading and writing. What it lacks is
// emulated, or neither offered nor advertised; the comment of each optional interface in
// package backstore says which.
//
// # Durability
//
// A store that is not volatile needs nothing. On a volatile one, the WCE bit of the
// caching mode page decides: with WCE, data is durable after SYNCHRONIZE CACHE, after a
// write with FUA and after STOP; without it, every command that changes the medium ends
// only when its data is durable. MODE SELECT switches between the two, and flushes once
// when it clears WCE.
//
// # Atomicity
//
// COMPARE AND WRITE is atomic against every other command that changes one of its
// blocks. Commands that change the medium hold a shared lock of their blocks,
// COMPARE AND WRITE an exclusive one; reads take none.
//
// # Where commands run
//
// READ and WRITE on a store with NowaitIO run on the goroutine that submits them, as long
// as the store does not say that it would block. A store that is a Submitter completes
// them from where it likes, and no goroutine waits. Everything else runs on a worker of
// the device. A READ or WRITE allocates nothing on any of these ways.
//
// # Media
//
// The medium of a removable disk is a store that Insert puts in and Eject takes out;
// initiators move it with START STOP UNIT and hold it with PREVENT ALLOW MEDIUM REMOVAL.
// What the disk advertises does not change with the medium.
package disk
