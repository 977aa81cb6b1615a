package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// place is where a measurement stands in the tables.
type place struct{ mode, workload, target string }

// with returns the place of another target in the same row.
func (p place) with(target string) place { return place{p.mode, p.workload, target} }

// sample is one measurement.
type sample struct {
	repetition  int
	result      *load.Result
	failed      string // why there is none
	collects    bool   // collections of garbage are known
	collections int    // of the target meanwhile
}

// good reports whether there are figures.
func (s *sample) good() bool {
	return s.result != nil && s.result.Commands > 0 && s.result.Elapsed > 0
}

// results are all measurements.
type results map[place][]sample

func (r results) add(p place, s sample) { r[p] = append(r[p], s) }

// metric is a figure of a measurement; 0: not known.
type metric struct {
	name string
	of   func(*load.Result) float64
}

// The metrics of tables and aims.
var (
	iops    = metric{"IOPS", func(r *load.Result) float64 { return float64(r.Commands) / r.Elapsed.Seconds() }}
	mbps    = metric{"MB/s", func(r *load.Result) float64 { return float64(r.Bytes) / r.Elapsed.Seconds() / 1e6 }}
	p50     = metric{"p50", func(r *load.Result) float64 { return micros(r.P50) }}
	p99     = metric{"p99", func(r *load.Result) float64 { return micros(r.P99) }}
	p999    = metric{"p99.9", func(r *load.Result) float64 { return micros(r.P999) }}
	stretch = metric{"p99.9/p50", func(r *load.Result) float64 { return quotient(micros(r.P999), micros(r.P50)) }}
	cpu     = metric{"CPU", func(r *load.Result) float64 { return micros(r.CPU) / float64(r.Commands) }} // µs of the server for a command
)

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// quotient returns a/b, 0 if one of them is not known.
func quotient(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return a / b
}

// values returns what is known of a metric at p.
func (r results) values(m metric, p place) spread {
	var v []float64
	for _, s := range r[p] {
		if s.good() {
			v = append(v, m.of(s.result))
		}
	}
	return newSpread(v)
}

// ratios returns the ratios of the metric at a to that at b, each of the two measurements of one
// repetition, which are close together in time.
func (r results) ratios(m metric, a, b place) spread {
	other := make(map[int]float64)
	for _, s := range r[b] {
		if s.good() {
			other[s.repetition] = m.of(s.result)
		}
	}
	var v []float64
	for _, s := range r[a] {
		if s.good() {
			v = append(v, quotient(m.of(s.result), other[s.repetition]))
		}
	}
	return newSpread(v)
}

// collections returns how many collections of garbage there were for a million commands at p, in
// all repetitions together.
func (r results) collections(p place) (n float64, known bool) {
	var sum, commands float64
	for _, s := range r[p] {
		if s.good() && s.collects {
			known = true
			sum += float64(s.collections)
			commands += float64(s.result.Commands)
		}
	}
	return quotient(sum*1e6, commands), known
}

// spread is how values of one kind are distributed.
type spread struct {
	n                int // 0: there are none
	low, median, top float64
}

// newSpread returns the quartiles of the values that are known, which are not 0.
func newSpread(v []float64) spread {
	v = slices.DeleteFunc(v, func(x float64) bool { return x == 0 })
	slices.Sort(v)
	return spread{len(v), quantile(v, 0.25), quantile(v, 0.5), quantile(v, 0.75)}
}

// quantile interpolates in sorted values; 0 for none.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// with formats the median, "–" if there is none.
func (s spread) with(format string) string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf(format, s.median)
}

// quartiles formats the middle half.
func (s spread) quartiles() string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f–%.2f", s.low, s.top)
}
