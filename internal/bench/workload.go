package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// workload is one row of the comparison.
type workload struct {
	name string
	load load.Config // without the target
}

// workloads returns all of them, in the order of the table.
func workloads() []workload {
	const k = 1 << 10
	return []workload{
		{"4k-read-q32", load.Config{Conns: 1, Depth: 32, Block: 4 * k, Random: true}},
		{"4k-write-q32", load.Config{Conns: 1, Depth: 32, Block: 4 * k, Random: true, Writes: 100}},
		{"4k-read-q1", load.Config{Conns: 1, Depth: 1, Block: 4 * k, Random: true}},
		{"256k-read-q8", load.Config{Conns: 1, Depth: 8, Block: 256 * k}},
		{"256k-write-q8", load.Config{Conns: 1, Depth: 8, Block: 256 * k, Writes: 100}},
		{"4k-read-4x16", load.Config{Conns: 4, Depth: 16, Block: 4 * k, Random: true}},
		{"1m-read-q4", load.Config{Conns: 1, Depth: 4, Block: 1024 * k}},
		{"8k-mix-q32", load.Config{Conns: 1, Depth: 32, Block: 8 * k, Random: true, Writes: 30}},
		{"4k-read-64x4", load.Config{Conns: 64, Depth: 4, Block: 4 * k, Random: true}},
	}
}

// prefill writes all of a logical unit once.
func prefill() load.Config {
	return load.Config{Conns: 1, Depth: 8, Block: 256 << 10, Writes: 100, Once: true}
}

// prefillLimit bounds how long that may take.
const prefillLimit = 3 * time.Minute

// selectNamed returns the elements of all with the names of a list with commas, in the order of
// all; every one for an empty list.
func selectNamed[T any](all []T, name func(T) string, list string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	want := make(map[string]bool)
	for n := range strings.SplitSeq(list, ",") {
		want[n] = true
	}
	var selected []T
	var names []string
	for _, e := range all {
		names = append(names, name(e))
		if want[name(e)] {
			selected = append(selected, e)
			delete(want, name(e))
		}
	}
	for n := range want {
		return nil, fmt.Errorf("%q: allowed are %s", n, strings.Join(names, ","))
	}
	return selected, nil
}
