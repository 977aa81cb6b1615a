// Package block is a backstore on a block device of Linux: a drive, a partition, a logical volume,
// a loop device.
//
// A device is opened for exclusive use, so that what is mounted, or used by another store, is refused,
// and with O_DIRECT, around the page cache. Vectors whose elements direct I/O cannot take as they are
// go through an aligned buffer: that costs a copy, and buffers of package sgv never need it. With
// [Options.Buffered] I/O goes through the page cache, which then is the write cache of the disk.
//
// # Geometry
//
// Size and block sizes are those of the device, asked for by ioctl. Optimal transfer size, discard
// granularity, write cache and rotation come from the limits of the device's queue in sysfs. A device whose
// cache is "write through" there is not Volatile. [Store.Refresh] asks again for what may change, the
// size and write protection, and announces it; nothing is polled.
//
// # Unmapping
//
// Unmapped blocks have to read as zeroes, and discarding promises nothing of the kind. Unmap is
// therefore offered in two cases. A device with a command that writes zeroes (write_zeroes_max_bytes in sysfs)
// gets that one, with the permission to deallocate: the kernel guarantees zeroes, and the device
// frees what it can. For a device that only discards (discard_max_bytes), somebody who knows it says that
// discarded blocks read as zeroes, with [Options.DiscardZeroes]; whole discard units are then
// discarded, and what is left at the ends is written with zeroes. A device that does neither
// is fully provisioned to initiators. WriteZeroes works everywhere: without a command of the device the
// kernel writes zeroes.
//
// # Failed flushes
//
// As in package file, the first flush that fails is remembered: the kernel may have dropped what it could
// not write. Every later Flush and WritevFUA fails until the device is opened again, and every Writev of a
// store that is Buffered and WriteThrough.
//
// On other systems Open returns errors.ErrUnsupported.
package block
