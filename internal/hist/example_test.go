package hist_test

import (
	"fmt"
	"time"

	"github.com/goscst/goscst/internal/hist"
)

func Example() {
	var fast, slow hist.Hist // one per session
	for range 98 {
		fast.Record(int64(100 * time.Microsecond))
	}
	slow.Record(int64(20 * time.Millisecond))
	slow.Record(int64(30 * time.Millisecond))

	all := fast
	all.Merge(&slow)
	fmt.Println(all.Count(), time.Duration(all.Max))
	fmt.Println(time.Duration(all.Quantile(0.5)) < 200*time.Microsecond)
	fmt.Println(time.Duration(all.Quantile(0.99)) > 10*time.Millisecond)
	// Output:
	// 100 30ms
	// true
	// true
}
