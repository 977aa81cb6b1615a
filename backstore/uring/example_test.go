package uring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/uring"
)

// A program prefers the ring and does without it where the system has none.
func Example() {
	dir, err := os.MkdirTemp("", "goscst")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		panic(err)
	}

	var s backstore.Backstore
	s, err = uring.Open(name, &uring.Options{Depth: 64})
	if errors.Is(err, errors.ErrUnsupported) { // err says why
		s, err = file.Open(name, nil)
	}
	if err != nil {
		panic(err)
	}
	defer s.Close()

	if err := s.Writev(context.Background(), [][]byte{make([]byte, 4096)}, 0); err != nil {
		panic(err)
	}
	fmt.Println(s.Geometry().Blocks())
	// Output: 2048
}
