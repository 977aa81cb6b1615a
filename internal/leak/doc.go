// Package leak fails tests that leave something behind: goroutines, buffers, file descriptors.
//
// Each function is called at the start of a test and looks again when the test has ended, after
// cleanups that were registered later. What ends by itself is waited for, polling up to a bound; a
// test without a leak does not wait at all.
//
//	func TestSession(t *testing.T) {
//		leak.Goroutines(t)
//		pool := sgv.NewPool(nil)
//		leak.Pool(t, pool)
//		…
//	}
//
// Tests that run in parallel see each other's goroutines and descriptors; [Main] serves packages of such.
// Only tests import this package.
package leak
