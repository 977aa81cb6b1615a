package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/bench/load"
)

// result is a measurement of one second.
func result(repetition int, commands uint64, p50 time.Duration) sample {
	return sample{repetition: repetition, result: &load.Result{
		Commands: commands, Bytes: commands * 4096, Elapsed: time.Second, CPU: time.Duration(commands) * 1500,
		P50: p50, P99: 2 * p50, P999: 3 * p50,
	}}
}

// table returns a comparison of rows in mode split.
func table(t *testing.T, names string) *comparison {
	t.Helper()
	list, err := selectNamed(workloads(), func(w workload) string { return w.name }, names)
	require.NoError(t, err)
	c := &comparison{options: &options{}, results: make(results)}
	for _, w := range list {
		c.rows = append(c.rows, row{mode{modeSplit, 0, 1}, w})
	}
	for _, name := range builtins() {
		c.targets = append(c.targets, &target{name: name, builtin: true})
	}
	return c
}

func at(workload, target string) place { return place{modeSplit, workload, target} }

// TestPrint has a machine that becomes faster and slower: the ratios are those of a repetition.
func TestPrint(t *testing.T) {
	c := table(t, "4k-read-q32")
	for n, rate := range []uint64{300000, 100000, 200000} {
		c.results.add(at("4k-read-q32", nameFloor), result(n, rate, 80*time.Microsecond))
		c.results.add(at("4k-read-q32", nameTgtd), result(n, rate/4, 90*time.Microsecond))
		s := result(n, rate/2+uint64(n)*1000, 85*time.Microsecond)
		s.collects, s.collections = true, n
		c.results.add(at("4k-read-q32", nameMem), s)
	}
	var out bytes.Buffer
	require.False(t, c.print(&out))
	require.Equal(t, "\n## speed, mode split: client on CPU 0, server on CPU 1\n\n"+speedHead+
		"| 4k-read-q32 | floor | 200000 | 819 | 1.00 | 1.00–1.00 | – | 4.00 |  |\n"+
		"| 4k-read-q32 | tgtd | 50000 | 205 | 0.25 | 0.25–0.25 | – | 1.00 |  |\n"+
		"| 4k-read-q32 | mem | 102000 | 418 | 0.51 | 0.51–0.51 | – | 2.04 | IOPS ≥ 0.90 × floor: **0.51, missed** |\n\n"+costHead+
		"| 4k-read-q32 | floor | 80 | 160 | 240 | 3.0 | 1.50 | 1.00 | 1.00 | – |  |\n"+
		"| 4k-read-q32 | tgtd | 90 | 180 | 270 | 3.0 | 1.50 | 1.00 | 1.00 | – |  |\n"+
		"| 4k-read-q32 | mem | 85 | 170 | 255 | 3.0 | 1.50 | 1.00 | 1.00 | 9.90 | CPU ≤ 2.20 × floor: 1.00, met; "+
		"CPU ≤ 0.30 × tgtd: **1.00, missed**; p99.9/p50 ≤ 10.00: 3.00, met |\n"+
		"\n## Aims\n\n2 met, 2 missed, "+fmt.Sprint(len(aims())-4)+" not measured; missed:\n\n"+
		"- split, 4k-read-q32, mem: IOPS ≥ 0.90 × floor: 0.51 (0.51–0.51)\n"+
		"- split, 4k-read-q32, mem: CPU ≤ 0.30 × tgtd: 1.00 (1.00–1.00)\n", out.String())
}

func TestPrintGrowth(t *testing.T) {
	c := table(t, "4k-read-4x4,4k-read-64x4")
	for n := range 4 {
		c.results.add(at("4k-read-4x4", nameMem), result(n, 100000, time.Millisecond))
		c.results.add(at("4k-read-64x4", nameMem), result(n, 95000, time.Millisecond))
	}
	var out bytes.Buffer
	require.False(t, c.print(&out))
	require.Contains(t, out.String(), "\n## growth, mode split")
	require.NotContains(t, out.String(), "## speed")
	require.Contains(t, out.String(), "| 4k-read-64x4 | mem | 95000 | 389 | – | – | – | – | IOPS ≥ 0.90 × 4k-read-4x4: 0.95, met |\n")
}

func TestPrintFailures(t *testing.T) {
	c := table(t, "4k-write-q32")
	bad := result(0, 10, time.Millisecond)
	bad.result.Errors = 3
	bad.result.CPU = 0
	p := at("4k-write-q32", nameMem)
	c.results.add(p, bad)
	c.results.add(p, sample{repetition: 1, failed: "it\nbroke"})
	c.results.add(p, sample{repetition: 2, failed: "it broke"})
	c.results.add(p, sample{repetition: 3, result: &load.Result{Elapsed: time.Second}})
	var out bytes.Buffer
	require.True(t, c.print(&out))
	require.Contains(t, out.String(), "| 4k-write-q32 | mem | 1000 | 2000 | 3000 | 3.0 | – | – | – | – | p99.9/p50 ≤ 10.00: 3.00, met |\n")
	require.True(t, strings.HasSuffix(out.String(), "\n\n## What failed\n\n"+
		"- split, 4k-write-q32, mem: it broke (2 times)\n- split, 4k-write-q32, mem: no command ended in time\n"+
		"- split, 4k-write-q32, mem: 3 commands failed\n"), "%s", out.String())
}

// TestRatios: what has no partner in its repetition does not count.
func TestRatios(t *testing.T) {
	r := make(results)
	a, b := at("4k-read-q1", nameMem), at("4k-read-q1", nameFloor)
	for n, commands := range []uint64{10, 20, 30, 40} {
		r.add(a, result(n, commands, time.Millisecond))
	}
	r.add(b, result(3, 10, time.Millisecond))
	r.add(b, result(1, 10, time.Millisecond))
	r.add(b, sample{repetition: 0, failed: "no"})
	r.add(b, sample{repetition: 2, result: &load.Result{Elapsed: time.Second}})
	require.Equal(t, spread{2, 2.5, 3, 3.5}, r.ratios(iops, a, b))
	require.Equal(t, spread{}, r.ratios(iops, a, at("4k-read-q1", nameTgtd)))
	require.Equal(t, spread{}, r.ratios(iops, at("4k-read-q1", nameTgtd), b))
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{0, 0}, spread{}},
		{[]float64{3}, spread{1, 3, 3, 3}},
		{[]float64{4, 0, 1}, spread{2, 1.75, 2.5, 3.25}},
		{[]float64{9, 1, 2}, spread{3, 1.5, 2, 5.5}},
		{[]float64{5, 4, 3, 2, 1}, spread{5, 2, 3, 4}},
	} {
		require.Equal(t, c.want, newSpread(c.v))
	}
	require.Equal(t, "–", spread{}.with("%.0f"))
	require.Equal(t, "–", spread{}.quartiles())
	require.Equal(t, "1.00–3.50", spread{3, 1, 2, 3.5}.quartiles())
}

// TestAims: each is about rows that are measured by default, with targets that are measured there.
func TestAims(t *testing.T) {
	measured := make(map[place]bool)
	for _, w := range workloads() {
		for _, b := range w.builtin {
			measured[place{modeSplit, w.name, b}] = true
			measured[place{modeOne, w.name, b}] = w.one
		}
	}
	for _, a := range aims() {
		require.True(t, measured[a.place], "%+v", a.place)
		require.True(t, a.to.target == "" || measured[a.to], "%+v", a.to)
		require.Positive(t, a.bound)
	}
}

func TestAimsAreMet(t *testing.T) {
	least, most := aim{bound: 0.9}, aim{bound: 10, most: true}
	require.True(t, least.met(spread{median: 0.895}))
	require.False(t, least.met(spread{median: 0.894}))
	require.True(t, most.met(spread{median: 10.004}))
	require.False(t, most.met(spread{median: 10.01}))
}
