package mem_test

import (
	"context"
	"fmt"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
)

func Example() {
	ctx := context.Background()
	s, err := mem.NewWith(1<<40, &mem.Options{BlockSize: 4096}) // a terabyte
	if err != nil {
		panic(err)
	}
	defer s.Close()
	if err := s.Writev(ctx, [][]byte{make([]byte, 8192)}, 1<<30); err != nil {
		panic(err)
	}
	extents, err := s.AppendExtents(ctx, make([]backstore.MappedExtent, 0, 8), 1<<30-4096, 16384)
	if err != nil {
		panic(err)
	}
	for _, e := range extents {
		fmt.Println(e.Len, e.State)
	}
	fmt.Println(s.Allocated(), "bytes of memory,", backstore.Caps(s).Has(backstore.CapLend))
	// Output:
	// 4096 deallocated
	// 8192 mapped
	// 4096 deallocated
	// 65536 bytes of memory, true
}
