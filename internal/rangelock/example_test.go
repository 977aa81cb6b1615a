package rangelock_test

import (
	"fmt"

	"github.com/goscst/goscst/internal/rangelock"
)

func Example() {
	var l rangelock.Lock
	write, _ := l.TryLockShared(0, 8) // a WRITE of blocks 0 to 7
	_, ok := l.TryLockExclusive(4, 1) // COMPARE AND WRITE of block 4 has to wait
	fmt.Println(ok)
	write.Unlock()
	caw, ok := l.TryLockExclusive(4, 1)
	fmt.Println(ok)
	caw.Unlock()
	// Output:
	// false
	// true
}
