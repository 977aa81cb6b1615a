//go:build !linux

package sgv

// HugePages returns an Allocator that asks the system for large pages where it can; on this system
// that is Heap().
func HugePages() Allocator { return Heap() }
