package linuxtest_test

import (
	"fmt"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/internal/linuxtest"
)

func Example() {
	mem, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	defer unix.Munmap(mem)
	flags, err := linuxtest.VMFlags(reflect.ValueOf(mem).Pointer())
	fmt.Println(slices.Contains(flags, "rd"), slices.Contains(flags, "wr"), err)
	// Output: true false <nil>
}
