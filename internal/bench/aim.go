package main

import (
	"fmt"
	"math"
	"strings"
)

// aim is something that goscst is to reach: a figure, or its ratio to that of another place, at
// least or at most of a size.
type aim struct {
	place
	metric metric
	to     place // target "": the figure itself
	most   bool  // bound is the most that is allowed, not the least
	bound  float64
}

// speeds are the least ratios of IOPS to the floor's, of a disk in memory without and with busy
// polling; 0: nothing is aimed at. They were set from measurements of what a responder in Go reaches
// that has no engine behind it, and of what the fastest target known reaches that polls all the time.
var speeds = []struct {
	mode, workload string
	mem, poll      float64
}{
	{modeSplit, "4k-read-q32", 0.9, 1.1},
	{modeSplit, "4k-write-q32", 0.8, 1.2},
	{modeSplit, "4k-read-q1", 1.0, 3.1},
	{modeSplit, "256k-read-q8", 0.6, 0},
	{modeSplit, "256k-write-q8", 1.2, 0},
	{modeSplit, "4k-read-4x16", 0.7, 0},
	{modeSplit, "1m-read-q4", 0.8, 0},
	{modeSplit, "8k-mix-q32", 0.75, 1.0},
	{modeOne, "4k-read-q32", 0.35, 0},
}

// Other bounds.
const (
	fileSpeed  = 0.85 // IOPS of a file in the page cache to those of a disk in memory, in each row
	tgtdSpeed  = 1.0  // IOPS at depth 1 to tgtd's: latency is as good
	floorCPU   = 2.2  // CPU time for a read of 4 KiB at depth 32 to the floor's
	tgtdCPU    = 0.3  // the same to tgtd's
	longTail   = 10   // p99.9 to p50 at depth 32
	connsSpeed = 0.9  // IOPS at 64 connections to those at 4
	flatCPU    = 1.1  // CPU time for a command with many of something to that with few
)

// aims returns all of them.
func aims() []aim {
	var list []aim
	least := func(p place, m metric, to place, bound float64) {
		if bound > 0 {
			list = append(list, aim{place: p, metric: m, to: to, bound: bound})
		}
	}
	most := func(p place, m metric, to place, bound float64) {
		list = append(list, aim{place: p, metric: m, to: to, most: true, bound: bound})
	}
	for _, s := range speeds {
		mem := place{s.mode, s.workload, nameMem}
		least(mem, iops, mem.with(nameFloor), s.mem)
		least(mem.with(namePoll), iops, mem.with(nameFloor), s.poll)
		least(mem.with(nameFile), iops, mem, fileSpeed)
	}
	mem := func(workload string) place { return place{modeSplit, workload, nameMem} }
	least(mem("4k-read-q1"), iops, mem("4k-read-q1").with(nameTgtd), tgtdSpeed)
	most(mem("4k-read-q32"), cpu, mem("4k-read-q32").with(nameFloor), floorCPU)
	most(mem("4k-read-q32"), cpu, mem("4k-read-q32").with(nameTgtd), tgtdCPU)
	for _, w := range []string{"4k-read-q32", "4k-write-q32", "8k-mix-q32"} {
		most(mem(w), stretch, place{}, longTail)
	}
	least(mem("4k-read-64x4"), iops, mem("4k-read-4x4"), connsSpeed)
	least(mem("4k-read-64x16"), iops, mem("4k-read-4x16"), connsSpeed)
	for _, w := range []string{"4k-read-q128", "4k-read-q1024"} {
		most(mem(w), cpu, mem("4k-read-q32"), flatCPU)
	}
	most(mem("4k-read-1000s"), cpu, mem("4k-read-1s"), flatCPU)
	for _, w := range []string{"4k-read-one-lun", "4k-read-all-luns"} {
		most(mem(w).with(nameManyLUNs), cpu, mem(w).with(nameOneLUN), flatCPU)
	}
	return list
}

// measured returns what came of the aim.
func (a *aim) measured(r results) spread {
	if a.to.target == "" {
		return r.values(a.metric, a.place)
	}
	return r.ratios(a.metric, a.place, a.to)
}

// met reports whether a median is good enough, in the precision in which it is printed.
func (a *aim) met(s spread) bool {
	m := math.Round(s.median*100) / 100
	if a.most {
		return m <= a.bound
	}
	return m >= a.bound
}

// String tells what is wanted, in the row of the table where the aim stands.
func (a *aim) String() string {
	sign := "≥"
	if a.most {
		sign = "≤"
	}
	text := fmt.Sprintf("%s %s %.2f", a.metric.name, sign, a.bound)
	switch {
	case a.to.target == "":
	case a.to.workload == a.workload:
		text += " × " + a.to.target
	default:
		text += " × " + a.to.workload
	}
	return text
}

// verdict tells what is wanted, what there is, and whether that is enough; "" if there is nothing.
func (a *aim) verdict(r results) string {
	s := a.measured(r)
	switch {
	case s.n == 0:
		return ""
	case a.met(s):
		return fmt.Sprintf("%v: %.2f, met", a, s.median)
	default:
		return fmt.Sprintf("%v: **%.2f, missed**", a, s.median)
	}
}

// verdicts returns those of all aims of one metric, or of all others, at p.
func (r results) verdicts(p place, m metric, others bool) string {
	var list []string
	for _, a := range aims() {
		if a.place == p && (a.metric.name == m.name) != others {
			if v := a.verdict(r); v != "" {
				list = append(list, v)
			}
		}
	}
	return strings.Join(list, "; ")
}

// summary counts aims and lists those that are missed.
func (r results) summary() string {
	var missed []string
	met, unknown := 0, 0
	for _, a := range aims() {
		switch s := a.measured(r); {
		case s.n == 0:
			unknown++
		case a.met(s):
			met++
		default:
			missed = append(missed, fmt.Sprintf("- %s, %s, %s: %v: %.2f (%s)", a.mode, a.workload, a.target, &a, s.median, s.quartiles()))
		}
	}
	text := fmt.Sprintf("%d met, %d missed, %d not measured", met, len(missed), unknown)
	if len(missed) > 0 {
		text += "; missed:\n\n" + strings.Join(missed, "\n")
	}
	return text + "\n"
}
