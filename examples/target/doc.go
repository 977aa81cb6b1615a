// Command target serves disks over iSCSI.
//
// Without flags it serves one disk of 64 MiB in memory on 127.0.0.1:3260, and says how to
// reach it. Each -lun adds a disk; they are numbered in order from 0:
//
//	target -lun mem:1GiB -lun file:disk.img:10GiB,blocksize=4096 -lun null:1TiB,workers=4
//
// A disk is KIND:ARGUMENT with options after commas:
//
//	mem:SIZE          in memory; what is in it ends with the program
//	file:PATH[:SIZE]  in a regular file, which is made, or extended, if SIZE is given
//	uring:PATH[:SIZE] the same with io_uring, or a block device; as a file where the system has none,
//	                  which is said
//	block:PATH        a block device, with O_DIRECT
//	null:SIZE         reads as zeroes and forgets what is written
//
//	blocksize=N       bytes of a logical block: 512 (the default, but of a device its own) or 4096
//	physexp=N         log2 of the logical blocks in a physical one, 0 to 15; default: 4 KiB, or
//	                  of uring and block what the device has; there with blocksize only
//	ro                writes are refused
//	removable         the medium can be ejected
//	thin=off          no UNMAP; a file is allocated at once, one that exists too
//	wce=on, wce=off   write cache; off makes every write durable when it ends
//	direct            O_DIRECT; file and uring only
//	arena=SIZE        memory for data that the ring knows beforehand, which saves processor time with
//	                  direct; 2MiB to 1GiB; uring only; left out, which is said, where the system
//	                  does not let so much be locked
//	workers=N         blocking commands at once, 1 to 1024; default 16
//	depth=N           commands of one initiator at once, 1 to 65536; default 128
//	serial=TEXT       unit serial number: 1 to 64 printable characters, no comma
//
// A size is a number of bytes with an optional unit: KiB, MiB, GiB or TiB.
//
// -busypoll 50us makes the target faster for initiators that send one command at a time,
// for a busier processor: see iscsi.Options.BusyPoll.
//
// SIGINT and SIGTERM end the program in order: initiators are asked to log out, commands
// end, caches are flushed. A second signal ends it at once.
//
// With -debug ADDR an HTTP server shows what is going on: GET /commands, /sessions and
// /stats in JSON, the last with what the garbage collector did, /debug/pprof/ for profiles.
// POST /resize?lun=N&size=BYTES changes the size of a disk, POST /eject?lun=N and
// /insert?lun=N take the medium of a removable one out and put it in. It has no access
// control: use a loopback address.
package main
