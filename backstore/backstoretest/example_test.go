package backstoretest_test

import (
	"testing"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/mem"
)

// The body of a test of one's own store: here one with a write cache of 16 MiB.
func ExampleRunWith() {
	TestStore := func(t *testing.T) {
		backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
			s, err := mem.NewWith(16<<20, &mem.Options{Volatile: true})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, &backstoretest.Options{
			ZeroAlloc:  true,
			WholeReads: true,
			Resize:     func(b backstore.Backstore, size int64) error { return b.(*mem.Store).Resize(size) },
		})
	}
	_ = TestStore // at the top level of a test file, go test calls it
}
