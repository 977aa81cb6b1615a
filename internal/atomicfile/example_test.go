package atomicfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goscst/goscst/internal/atomicfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "atomicfile")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "reservations")
	if err := atomicfile.Write(name, []byte("generation 7\n"), 0o600); err != nil {
		panic(err)
	}
	data, err := atomicfile.Read(name, 1<<20)
	fmt.Printf("%q %v\n", data, err)
	// Output: "generation 7\n" <nil>
}
