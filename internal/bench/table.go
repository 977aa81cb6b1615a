package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	speedHead = `| workload | target | IOPS | MB/s | × floor | middle half | × floor-disk | × tgtd | aim |
|---|---|---:|---:|---:|---:|---:|---:|---|
`
	costHead = `| workload | target | p50 µs | p99 µs | p99.9 µs | p99.9/p50 | CPU µs/IO | × floor | × tgtd | GC/10⁶ | aim |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|
`
)

// print writes tables for each mode, what became of the aims and what failed, and reports whether
// anything did.
func (c *comparison) print(w io.Writer) (failed bool) {
	for _, m := range []string{modeSplit, modeOne} {
		for _, growth := range []bool{false, true} {
			var rows []row
			for _, r := range c.rows {
				if r.mode.name == m && r.workload.growth == growth {
					rows = append(rows, r)
				}
			}
			if len(rows) == 0 {
				continue
			}
			what := "speed"
			if growth {
				what = "growth"
			}
			fmt.Fprintf(w, "\n## %s, mode %s: client on CPU %d, server on CPU %d\n\n%s", what, m, rows[0].mode.client, rows[0].mode.server, speedHead)
			c.each(rows, func(p place) { fmt.Fprint(w, c.results.speedRow(p)) })
			fmt.Fprintf(w, "\n%s", costHead)
			c.each(rows, func(p place) { fmt.Fprint(w, c.results.costRow(p)) })
		}
	}
	fmt.Fprintf(w, "\n## Aims\n\n%s", c.results.summary())
	var notes []string
	c.each(c.rows, func(p place) { notes = append(notes, c.results.notes(p)...) })
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n## What failed\n\n%s\n", strings.Join(notes, "\n"))
	}
	return len(notes) > 0
}

// each calls do with all places of the rows.
func (c *comparison) each(rows []row, do func(place)) {
	for _, r := range rows {
		for _, t := range c.targets {
			if r.workload.measures(t) {
				do(place{r.mode.name, r.workload.name, t.name})
			}
		}
	}
}

// speedRow returns a line of a table of speed, "" if nothing is known.
func (r results) speedRow(p place) string {
	rate := r.values(iops, p)
	if rate.n == 0 {
		return ""
	}
	floor := r.ratios(iops, p, p.with(nameFloor))
	return cells(
		p.workload, p.target, rate.with("%.0f"), r.values(mbps, p).with("%.0f"),
		floor.with("%.2f"), floor.quartiles(), r.ratios(iops, p, p.with(nameFloorDisk)).with("%.2f"),
		r.ratios(iops, p, p.with(nameTgtd)).with("%.2f"), r.verdicts(p, iops, false),
	)
}

// costRow returns a line of a table of cost, "" if nothing is known.
func (r results) costRow(p place) string {
	median := r.values(p50, p)
	if median.n == 0 {
		return ""
	}
	garbage := "–"
	if n, known := r.collections(p); known {
		garbage = fmt.Sprintf("%.2f", n)
	}
	return cells(
		p.workload, p.target, median.with("%.0f"), r.values(p99, p).with("%.0f"), r.values(p999, p).with("%.0f"),
		r.values(stretch, p).with("%.1f"), r.values(cpu, p).with("%.2f"), r.ratios(cpu, p, p.with(nameFloor)).with("%.2f"),
		r.ratios(cpu, p, p.with(nameTgtd)).with("%.2f"), garbage, r.verdicts(p, iops, true),
	)
}

// cells returns a line of a table.
func cells(text ...string) string { return "| " + strings.Join(text, " | ") + " |\n" }

// notes returns a line for each thing that failed at p, and how often.
func (r results) notes(p place) []string {
	var failures []string
	errors := uint64(0)
	for _, s := range r[p] {
		switch {
		case s.result == nil:
			failures = append(failures, strings.Join(strings.Fields(s.failed), " "))
		case !s.good():
			failures = append(failures, "no command ended in time")
		default:
			errors += s.result.Errors
		}
	}
	if errors > 0 {
		failures = append(failures, fmt.Sprintf("%d commands failed", errors))
	}
	var notes []string
	for i, f := range failures {
		if slices.Contains(failures[:i], f) {
			continue
		}
		n := 0
		for _, g := range failures[i:] {
			if g == f {
				n++
			}
		}
		note := fmt.Sprintf("- %s, %s, %s: %s", p.mode, p.workload, p.target, f)
		if n > 1 {
			note += fmt.Sprintf(" (%d times)", n)
		}
		notes = append(notes, note)
	}
	return notes
}
