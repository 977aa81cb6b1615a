// Package uring is a backstore on io_uring of Linux, in a regular file or on a block device.
//
// A [Store] is a backstore.Submitter: an operation that has to wait for the drive holds neither a
// goroutine nor a thread. Each store has a ring of its own, which costs two descriptors beside those of the
// file, two goroutines and some 30 KiB of the kernel at the default depth. What the page cache can answer at once
// does not use the ring, nor does a file in memory: TryReadv and TryWritev are single system calls, and are cheaper.
//
// The kernel has to be 5.6 or newer. Where it is older, has no io_uring or forbids it, as container
// runtimes and kernel.io_uring_disabled do, [Open] returns an [UnavailableError], and a program goes on with
// package file or block; the example shows how.
//
// # How operations reach the kernel
//
// The first operation of an idle ring is submitted at once. While the kernel has work, what is submitted in a row
// is collected and goes to the kernel in one system call, when the goroutine that submits pauses or on another
// processor. One fdatasync runs at a time and serves all flushes that came before it. No more than [Options.Depth] operations are with the kernel; the rest waits in a list, and
// Submit does not block. Completions arrive through an eventfd in Go's netpoller.
//
// Transfers are cut only where the kernel's limits demand it, between blocks, and short ones are continued. Steps
// that the kernel sends back (EAGAIN, EINTR, ECANCELED) are repeated by a worker of the kernel. A context that
// ends keeps back what has not begun; what has begun is waited for.
//
// # Memory
//
// The kernel reads and writes the caller's memory until an operation has completed. A task of the store keeps
// references to all of it until then. Memory that the caller may pass in an interface is on the heap or
// mapped, neither of which moves. With O_DIRECT, vectors that the drive cannot take as they are go through
// aligned buffers; those of package sgv never need it.
//
// An [Arena] is memory that the ring knows beforehand. A pool of buffers that is made with it, for the device of
// the store (engine.DeviceOptions.Pool), saves the kernel the search for the pages of each transfer:
//
//	arena, err := uring.NewArena(64 << 20)
//	store, err := uring.Open("/dev/nvme0n1", &uring.Options{Direct: true, Arena: arena})
//	pool := sgv.NewPool(&sgv.Options{Allocator: sgv.Carve(arena.Bytes())})
//	dev, err := eng.AddDevice("disk", disk.New(store, nil), &engine.DeviceOptions{Pool: pool})
//
// Vectors of several pieces, transfers of more than 64 KiB in general, have that from Linux 6.15 on.
//
// # What is different from package file
//
// Files are neither created nor resized; [Store.Refresh] looks at their length, and at the write protection of
// a device. There is no map of
// allocated blocks. Failed flushes are remembered in the same way: after the first one every later Flush and
// WritevFUA fails, and with WriteThrough but without O_DIRECT every Writev, until the store is opened again.
//
// # When it pays
//
// Random reads of 4 KiB from a virtual drive that does some 40,000 a second, on 2 processors; medians of 3
// interleaved runs, time and processor time of one read compared with package file at as many goroutines:
//
//	                        time at depth 1, 32    processor time at depth 1, 32
//	page cache hit          1.0   1.0              1.0   1.0   (the ring is not used)
//	page cache miss         1.8   1.0              1.5   0.5
//	O_DIRECT                1.3   0.9              1.2   0.33
//
// With O_DIRECT at depth 32, an arena takes another fifth off the processor time: 6.9 to 5.5 µs on that drive, 5.5
// to 4.7 µs on a loop device in memory, which is then 15 % faster.
//
// At depth the drive sets the pace, and the ring needs a half to a third of the processor time, and no thread
// for each read. At depth 1 it does not pay: the completion interrupts the thread that submitted, which
// then wakes the netpoller, where a blocked read wakes one thread. Times at depth vary by a third between runs;
// processor time does not. Buffered writes to a file go through one worker of the kernel at a time on file
// systems without asynchronous buffered writes, ext4 among them, so that they gain nothing beyond TryWritev.
// BenchmarkRead4K repeats the measurement.
package uring
