// Package file is a backstore in a regular file.
//
// The file is an image: block n of the disk is at n times the block size. It may be sparse; where
// the file system can punch holes, UNMAP frees space. Three ways to write are offered:
//
//   - buffered (the default): the page cache is the write cache of the disk. WCE is 1, SYNCHRONIZE
//     CACHE is fdatasync, FUA writes carry RWF_DSYNC. Reads that the page cache can answer do not
//     block and are answered at once.
//   - write-through ([Options.WriteThrough]): every write is durable when it is reported (O_DSYNC);
//     WCE is 0.
//   - direct ([Options.Direct]): O_DIRECT, around the page cache. The cache of the drive below
//     remains, so WCE is 1 unless WriteThrough is set as well.
//
// # Reads from the page cache
//
// On Linux with addresses of 64 bits the file is mapped, as [backstore.MapLender] has it: a READ
// whose data is in the page cache lends the mapping, and one writev copies from there to the
// socket. Copying into a buffer first, and from there to the socket, costs a third of the
// throughput, sendfile would keep the pages in the socket's queue, so that the initiator may see
// what is written to them long after its READ; after writev nothing refers to them any more.
// Nothing in the process looks at the mapping: where a file was cut off, or its drive fails, that
// would be the end of the process, while a system call fails with EFAULT, which ends the
// connection; the READ is refused when the initiator has come back. One gap is left: of the page in
// which somebody else cuts the file off after the store has looked at its length and before the data
// is sent, the rest reads as zeroes. Who shortens files behind the store's back sets [Options.NoMap].
//
// Not to wait for the drive on the goroutine of a connection, a store asks the system what is in
// the page cache (mincore), 256 KiB at a time, and believes for a second that what was there
// is there. That is because the question costs as much as to copy 4 KiB. Pages that are
// evicted within that second are waited for by the connection; all others that are missing are
// read by a worker, as are holes of a file in memory, which reading through a mapping would fill.
//
// It is done for files that are open through the page cache, on file systems of which it is
// known that mappings and writes see each other: ext4, XFS, Btrfs, F2FS, tmpfs, and overlayfs
// where the file is open for writing. It is not done in a process whose address space is limited
// (RLIMIT_AS, ulimit -v), of which mappings would take from the memory of the program.
// A file that the process neither owns nor may write to is not lent either, because the
// system says of it that all is in the page cache. [Options.NoMap] leaves it out. What is lent
// holds up Resize to a smaller size, and Close keeps it until it is given back.
//
// # A failed flush stays failed
//
// When fsync or fdatasync reports an error, the system may have thrown the dirty pages away and
// marked them clean, so that the next call succeeds although data is lost. A Store therefore
// remembers the first failure: every later Flush and WritevFUA returns it, and EventFault is sent,
// until the file has been closed and opened again and somebody has looked at what is in it. On Linux
// the same goes for every Writev of a store that is WriteThrough and not Direct, which is told of
// such failures too.
//
// Linux tells a failure to everybody once who has opened the file. A store opens it twice, by
// /proc/self/fd, so that a flush is told whatever a FUA write was told before: who is told that
// there is no space cannot know whether the system refuses his data or has lost other's. Where it
// cannot be opened again, FUA writes are writes that are flushed.
//
// # Systems
//
// On Linux everything above works. Elsewhere reads and writes go through os.File, Flush is fsync, and
// there are neither direct I/O, nor FUA, nor thin provisioning, nor is anything lent.
package file
