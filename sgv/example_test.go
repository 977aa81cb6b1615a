package sgv_test

import (
	"fmt"

	"github.com/goscst/goscst/sgv"
)

// A session may hold 64 KiB of what the engine may hold.
func Example() {
	pool := sgv.NewPool(&sgv.Options{Name: "example"})
	engine := sgv.NewLimit(1<<20, nil)
	session := sgv.NewLimit(64<<10, engine)

	buf, err := pool.Get(36, session)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, _ := buf.WriteAt([]byte("standard INQUIRY data"), 0)
	for _, seg := range buf.Append(nil, 0, n) {
		fmt.Printf("%s, %d bytes charged\n", seg, engine.Used())
	}
	_, err = pool.Get(64<<10, session)
	fmt.Println(err)

	buf.Release()
	fmt.Println(engine.Used(), pool.Close())
	// Output:
	// standard INQUIRY data, 4096 bytes charged
	// sgv: memory limit reached
	// 0 <nil>
}
