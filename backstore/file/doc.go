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
// # A failed flush stays failed
//
// When fsync or fdatasync reports an error, the system may have thrown the dirty pages away and
// marked them clean, so that the next call succeeds although data is lost. A Store therefore
// remembers the first failure: every later Flush and WritevFUA returns it, and EventFault is sent,
// until the file has been closed and opened again and somebody has looked at what is in it.
//
// # Systems
//
// On Linux everything above works. Elsewhere reads and writes go through os.File, Flush is fsync, and
// there are neither direct I/O, nor FUA, nor thin provisioning.
package file
