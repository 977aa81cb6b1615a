// Package osfile is what the stores on a file or device of the operating system have in common:
// package file on every system, block and uring on Linux.
//
// [File] moves vectors to and from what is open, whatever the system makes of them: short
// transfers, limits, memory that direct I/O cannot use. [Store] is a Backstore on a File, but for
// what opens it: the checks of ranges, the flushes, what happens to a store that is closed.
// [Loss] remembers that data may be lost, [Cursor] is a place in a vector, and Queue is what sysfs
// tells of a device.
package osfile
