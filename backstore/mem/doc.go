// Package mem is a backstore in memory, sparse and copy-on-write.
//
// Memory is taken in pages of 64 KiB when they are first written, so that a disk of a terabyte
// costs what is stored on it. Which blocks are mapped is known block by block. Unmap gives pages
// back. On Linux the pages come from arenas outside the Go heap that ask for huge pages; elsewhere
// from the Go heap.
//
// No method blocks for longer than memory takes, so everything runs where the command arrived.
// Locks are per page (striped): operations on different pages do not meet. Pages can be lent to
// readers; a write to a lent page goes to a copy, so that what was lent never changes. A read never
// sees a block half written.
//
// The contents are gone when the store is closed or the process ends.
package mem
