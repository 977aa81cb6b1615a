package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// place is where a measurement stands in the tables.
type place struct{ mode, workload, target string }

// sample is one measurement.
type sample struct {
	result *load.Result
	failed string // why there is none
}

// results are all measurements.
type results map[place][]sample

func (r results) add(p place, s sample) { r[p] = append(r[p], s) }

// figures are the medians of a place.
type figures struct {
	iops, mbps      float64 // MB are 10^6 bytes
	p50, p99, p999  float64 // microseconds
	cpu             float64 // microseconds of the server for each command; 0: not known
	errors          uint64  // commands that failed, in all repetitions
	samples, failed int
}

// figures returns the medians, each on its own, of what was measured at p.
func (r results) figures(p place) figures {
	var f figures
	var iops, mbps, p50, p99, p999, cpu []float64
	for _, s := range r[p] {
		if s.result == nil || s.result.Commands == 0 || s.result.Elapsed <= 0 {
			f.failed++
			continue
		}
		x, seconds, n := s.result, s.result.Elapsed.Seconds(), float64(s.result.Commands)
		f.samples++
		f.errors += x.Errors
		iops = append(iops, n/seconds)
		mbps = append(mbps, float64(x.Bytes)/seconds/1e6)
		p50 = append(p50, micros(x.P50))
		p99 = append(p99, micros(x.P99))
		p999 = append(p999, micros(x.P999))
		cpu = append(cpu, micros(x.CPU)/n)
	}
	f.iops, f.mbps, f.cpu = median(iops), median(mbps), median(cpu)
	f.p50, f.p99, f.p999 = median(p50), median(p99), median(p999)
	return f
}

// median returns the middle value, the mean of both for an even number, 0 for none. It sorts.
func median(v []float64) float64 {
	slices.Sort(v)
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (v[n/2-1] + v[n/2]) / 2
	default:
		return v[n/2]
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

const tableHead = `| workload | target | IOPS | MB/s | p50 µs | p99 µs | p99.9 µs | CPU µs/IO | × floor | × tgtd |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
`

// print writes a table for each mode and what failed, and reports whether anything did.
func (c *comparison) print(w io.Writer) (failed bool) {
	var notes []string
	for _, m := range c.modes {
		fmt.Fprintf(w, "\n## %s: client on CPU %d, server on CPU %d\n\n%s", m.name, m.client, m.server, tableHead)
		for _, load := range c.workloads {
			floor := c.results.figures(place{m.name, load.name, nameFloor}).iops
			tgtd := c.results.figures(place{m.name, load.name, nameTgtd}).iops
			for _, t := range c.targets {
				p := place{m.name, load.name, t.name}
				f := c.results.figures(p)
				if f.samples > 0 {
					fmt.Fprint(w, f.row(load.name, t.name, floor, tgtd))
				}
				notes = append(notes, c.results.notes(p, f)...)
			}
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n## What failed\n\n%s\n", strings.Join(notes, "\n"))
	}
	return len(notes) > 0
}

// row returns a line of a table.
func (f figures) row(workload, target string, floor, tgtd float64) string {
	return fmt.Sprintf("| %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f | %s | %s | %s |\n",
		workload, target, f.iops, f.mbps, f.p50, f.p99, f.p999, known(f.cpu, 1), known(f.iops, floor), known(f.iops, tgtd))
}

// known returns the ratio of two numbers, "–" if one of them is not known.
func known(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// notes returns a line for each thing that failed at p.
func (r results) notes(p place, f figures) []string {
	var notes []string
	at := fmt.Sprintf("- %s, %s, %s: ", p.mode, p.workload, p.target)
	if f.errors > 0 {
		notes = append(notes, fmt.Sprintf("%s%d commands failed", at, f.errors))
	}
	for _, s := range r[p] {
		switch {
		case s.result == nil:
			notes = append(notes, at+strings.Join(strings.Fields(s.failed), " "))
		case s.result.Commands == 0 || s.result.Elapsed <= 0:
			notes = append(notes, at+"no command ended in time")
		}
	}
	return notes
}
