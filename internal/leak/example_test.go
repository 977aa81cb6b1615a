package leak_test

import (
	"fmt"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/sgv"
)

// exampleTest stands for a *testing.T.
type exampleTest struct{ cleanups []func() }

func (t *exampleTest) Helper()                           {}
func (t *exampleTest) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleTest) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (t *exampleTest) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// A package checks all its tests with
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// and single tests where they begin.
func Example() {
	var t exampleTest // the *testing.T of a test
	leak.Goroutines(&t)
	leak.Files(&t)
	pool := sgv.NewPool(nil)
	leak.Pool(&t, pool)

	b, err := pool.Get(4096, nil)
	fmt.Println(pool.Outstanding(), err)
	b.Release()
	t.end()
	// Output: 1 <nil>
}
