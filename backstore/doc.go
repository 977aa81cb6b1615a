// Package backstore is the contract between a disk and the storage behind it.
//
// A [Backstore] is four methods: Geometry, Readv, Writev and Close. That is enough to serve a
// disk; whatever more a store can do (flush a cache, punch holes, answer without blocking, lend
// its own memory) is an interface of one or two methods. The disk handler finds out once, with
// [Resolve], when the device is added; what a store lacks is emulated or not offered, and the
// comment of each interface says which.
//
// # Durability
//
// [Geometry.Volatile] decides what the end of a modifying method means. When it is false, the
// data of every method that returned nil is on stable storage, and no flush is ever needed.
// When it is true, data may sit in a cache that a power failure loses until Flush has returned
// or unless WritevFUA wrote it. The initiator sees this as the WCE bit of the caching mode page
// of SBC-4. A store does not have to know about MODE SELECT: when an initiator clears WCE on
// a volatile store, the disk handler flushes once and from then on uses WritevFUA for writes
// and Flush after every other modification before it reports completion. A store that is not
// volatile has nothing to switch.
//
// # Lending
//
// A READ is cheapest if its data goes to the network from where it lies. A store that has it in
// memory of its own is a [Lender]: what it has lent stays as it was, so that a write meanwhile
// needs a copy or another place. A store that maps a file is a [MapLender]: writes show, and
// nobody but the system touches the memory, because a program that does so is killed where the
// file has been cut off. Such data does not go to connections with data digests, in the same
// process, or to tasks that others wait for; they get it by Readv. Package mem does the one, package
// file the other, and internal/bench/README.md of the module tells what it saves.
//
// # Wrappers
//
// Capability look-ups never go through a wrapper: I/O done on what is behind it would miss its
// offsets, its encryption or its fencing. A wrapper that embeds Backstore therefore offers the
// four methods and those that it adds itself, which is slow at worst and never wrong. A wrapper
// that leaves data and addresses alone embeds [Passthrough] and keeps all abilities.
//
// # Who imports it
//
// Stores (the packages below this one, and those of applications) and device types such as
// scsi/disk. The package depends on the standard library only and the command engine does not
// depend on it. Package backstoretest has a suite that checks a store against this contract.
package backstore
