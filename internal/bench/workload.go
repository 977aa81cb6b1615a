package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// workload is one row of the comparison.
type workload struct {
	name string
	load load.Config // without the target
	// growth: the row shows how cost grows with something. Such rows have a table of their own,
	// and fewer targets.
	growth bool
	// builtin are the targets of bench's own that are measured; nil: those that are not for
	// certain rows.
	builtin []string
	// spread: commands go to all logical units of a target that has many.
	spread bool
	// alone: no other targets are measured.
	alone bool
	// one: measured in mode one, too, without being asked for.
	one bool
}

// manyLUNs is how many logical units the target luns-16384 has: all that flat space addressing has
// room for.
const manyLUNs = 1 << 14

// workloads returns all of them, in the order in which they are measured: what is compared with
// each other stands together.
func workloads() []workload {
	const k = 1 << 10
	limits := []string{nameFloor, nameFloorDisk, nameMem}
	luns := []string{nameOneLUN, nameManyLUNs}
	random := func(conns, depth int) load.Config {
		return load.Config{Conns: conns, Depth: depth, Block: 4 * k, Random: true}
	}
	sessions := random(1, 32)
	sessions.Idle = 999
	list := []workload{
		{name: "4k-read-q32", load: random(1, 32), one: true},
		{name: "4k-read-q8", load: random(1, 8), growth: true, builtin: limits},
		{name: "4k-read-q128", load: random(1, 128), growth: true, builtin: limits},
		{name: "4k-read-q1024", load: random(1, 1024), growth: true, builtin: limits},
		{name: "4k-write-q32", load: load.Config{Conns: 1, Depth: 32, Block: 4 * k, Random: true, Writes: 100}},
		{name: "4k-read-q1", load: random(1, 1)},
		{name: "256k-read-q8", load: load.Config{Conns: 1, Depth: 8, Block: 256 * k}},
		{name: "256k-write-q8", load: load.Config{Conns: 1, Depth: 8, Block: 256 * k, Writes: 100}},
		{name: "4k-read-4x16", load: random(4, 16)},
		{name: "4k-read-64x16", load: random(64, 16), growth: true, builtin: limits},
		{name: "1m-read-q4", load: load.Config{Conns: 1, Depth: 4, Block: 1024 * k}},
		{name: "8k-mix-q32", load: load.Config{Conns: 1, Depth: 32, Block: 8 * k, Random: true, Writes: 30}},
		{name: "4k-read-4x4", load: random(4, 4), growth: true, builtin: limits},
		{name: "4k-read-64x4", load: random(64, 4), growth: true, builtin: limits},
		{name: "4k-read-one-lun", load: random(1, 32), growth: true, builtin: luns, alone: true},
		{name: "4k-read-all-luns", load: random(1, 32), growth: true, builtin: luns, alone: true, spread: true},
		{name: "4k-read-1s", load: random(1, 32), growth: true, builtin: []string{nameMem}},
		{name: "4k-read-1000s", load: sessions, growth: true, builtin: []string{nameMem}},
	}
	for i, w := range list {
		switch {
		case w.builtin != nil:
		case w.load.Writes == 100: // a floor throws away what is written, with a disk or without
			list[i].builtin = []string{nameFloor, nameTgtd, nameMem, namePoll, nameFile}
		default:
			list[i].builtin = []string{nameFloor, nameFloorDisk, nameTgtd, nameMem, namePoll, nameFile}
		}
	}
	return list
}

// measures reports whether the workload is measured with that target.
func (w *workload) measures(t *target) bool {
	if t.builtin {
		return slices.Contains(w.builtin, t.name)
	}
	return !w.alone
}

// row is a workload in a mode.
type row struct {
	mode     mode
	workload workload
}

// prefill writes all of a logical unit once, and reads it once.
func prefill() []load.Config {
	write := load.Config{Conns: 1, Depth: 8, Block: 256 << 10, Writes: 100, Once: true}
	read := write
	read.Writes = 0
	return []load.Config{write, read}
}

// prefillLimit bounds how long each of them may take.
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
