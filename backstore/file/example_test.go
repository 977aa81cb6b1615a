package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goscst/goscst/backstore/file"
)

func Example() {
	dir, err := os.MkdirTemp("", "goscst")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := file.Open(filepath.Join(dir, "disk.img"), &file.Options{Create: true, Size: 1 << 30})
	if err != nil {
		panic(err)
	}
	defer s.Close()

	ctx := context.Background()
	if err := s.Writev(ctx, [][]byte{make([]byte, 4096)}, 1<<20); err != nil {
		panic(err)
	}
	if err := s.Flush(ctx, 0, 0); err != nil {
		panic(err)
	}
	if err := s.Resize(2 << 30); err != nil {
		panic(err)
	}
	fmt.Println(s.Geometry().Blocks(), s.Geometry().Volatile)
	// Output: 4194304 true
}
