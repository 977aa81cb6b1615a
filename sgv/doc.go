// Package sgv is the scatter-gather buffer cache of the target engine: it hands out data
// buffers made of aligned segments, takes them back, and keeps them warm for the next command.
//
// A [Pool] sorts buffers into size classes (powers of two from 4 KiB to 4 MiB, or one fixed
// size), keeps released ones in per-CPU last-in-first-out lists, and gives memory back to its
// [Allocator] after it lay idle for one to two purge intervals, at a high watermark, or on
// [Pool.Flush]. A [Limit] bounds the bytes that are outstanding; limits nest, so that a session
// has its share of what the engine may use. Beyond a limit [Pool.Get] refuses at once: admission
// is the caller's flow control (SAM-5 5.3.1, TASK SET FULL), and nothing ever waits for memory.
//
// A [Buf] is reference counted and has one owner at a time; [Buf.Retain] exists for tails such as
// send queues. Taking a buffer from the cache and releasing it allocates nothing and takes one
// uncontended lock each. Releasing too often always panics; builds with -tags scsidebug also poison
// released memory, detect writes to it, and name the stack that released or leaked a buffer.
//
// # Memory contents
//
// A buffer holds what its last user left there. The engine sends only the prefix that a handler
// declared, so that no initiator sees data of another; [Options.Zero] clears buffers in addition.
//
// # Locks
//
// Each shard of a pool has one mutex; no two are ever held together, and none is held across a
// call of an Allocator or of a function given to [Pool.Wrap].
//
// The package is imported by everything that touches command data and imports only the standard
// library and golang.org/x/sys. It does no I/O and logs nothing.
package sgv
