// Package faultstore wraps a store and makes it fail as it is told: errors, delays, operations that
// are stuck until they are released, panics, and power cuts that lose what was not flushed.
//
// Rules say which calls fail and how. They are values, or lines of text:
//
//	read nth=3 error=io                   # the third read fails
//	write range=1MiB+64KiB error=nospace  # every write that touches the range
//	flush from=2 times=5 delay=20ms
//	write|unmap nth=1 stick               # stays until Release, whatever its context
//	any chance=0.01 error=busy            # one call in a hundred, by the seed
//	write nth=7 partial error=io          # the first half is written
//
// With [Options.PowerCut] the store has a write cache that can be lost: [Store.Cut] returns the store
// as it is after a power failure. Everything that Flush or a FUA write made durable is there; each
// other block has any of the contents that it had since. What is chosen depends on the seed.
//
// Devices, engines and transports use it in their tests. It is safe for concurrent use, and what it
// does is decided by its rules, its seed and the order of the calls only.
package faultstore
