package block_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goscst/goscst/backstore/block"
)

func Example() {
	dir, err := os.MkdirTemp("", "goscst")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		panic(err)
	}
	// Images are for package file; a drive would be "/dev/sdb" or "/dev/disk/by-id/…".
	s, err := block.Open(image, &block.Options{BlockSize: 4096})
	if err != nil {
		fmt.Println("refused")
		return
	}
	defer s.Close()
	fmt.Println(s.Geometry().Blocks())
	// Output: refused
}
