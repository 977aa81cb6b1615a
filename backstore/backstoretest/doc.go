// Package backstoretest checks a store against the contract of package backstore.
//
// A store of one's own passes it like this:
//
//	func TestConformance(t *testing.T) {
//		backstoretest.Run(t, func(t *testing.T) backstore.Backstore {
//			return mystore.Open(t.TempDir(), 1<<20)
//		})
//	}
//
// The suite writes all over the store. Every ability that the store has is compared with what the
// disk handler would do without it, so that both must agree. Random tests log their seed; the flag
// -backstoretest.seed repeats one. Run it under the race detector as well.
//
// Only tests import this package.
package backstoretest
