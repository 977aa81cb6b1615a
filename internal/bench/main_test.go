package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/bench/load"
	"github.com/goscst/goscst/internal/leak"
)

// TestMain lets the test be the parts that bench starts as processes of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == partFloor || os.Args[1] == partLoad) {
		main()
		return
	}
	leak.Main(m)
}

func TestCommandRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-x"}, "not defined"},
		{[]string{"-n", "0"}, "-n 0"},
		{[]string{"-s", "0"}, "-s 0"},
		{[]string{"-s", "NaN"}, "-s NaN"},
		{[]string{"-size", "1"}, "-size 1"},
		{[]string{"-nice", "-21"}, "-nice -21"},
		{[]string{"-m", "both"}, "-m \"both\": allowed are split,one"},
		{[]string{"-w", "4k-read-q32,x"}, "-w \"x\": allowed are 4k-read-q32,"},
		{[]string{"-t", "mem,x"}, "-t \"x\": allowed are floor,tgtd,mem,file"},
		{[]string{"-t", "none"}, "no target"},
		{[]string{"-cpus", "1,1"}, "-cpus \"1,1\""},
		{[]string{"-cpus", "1"}, "-cpus \"1\""},
		{[]string{"-variant", "busy"}, "NAME=FLAGS is allowed"},
		{[]string{"x"}, "NAME=PORT/IQN/LUN"},
		{[]string{"x=1/iqn.a:b"}, "NAME=PORT/IQN/LUN"},
		{[]string{"x=1/iqn.a:b/0@ "}, "NAME=PORT/IQN/LUN"},
		{[]string{"x=0/iqn.a:b/0"}, "port \"0\""},
		{[]string{"x=65536/iqn.a:b/0"}, "port \"65536\""},
		{[]string{"x=1/iqn.a:b/256"}, "LUN \"256\""},
		{[]string{"mem=1/iqn.a:b/0"}, "two targets are called \"mem\""},
		{[]string{"-t", "none", "-variant", "a=-x", "a=1/iqn.a:b/0"}, "two targets are called \"a\""},
	} {
		var out, complaint bytes.Buffer
		require.ErrorIs(t, command(t.Context(), c.args, nil, &out, &complaint), errUsage, "%q", c.args)
		require.Contains(t, complaint.String(), c.want)
		require.Empty(t, out.String())
	}
}

func TestParse(t *testing.T) {
	var complaint bytes.Buffer
	o, err := parse([]string{
		"-n", "5", "-s", "0.5", "-m", "one", "-w", "4k-read-q1,4k-read-q32", "-t", "file,floor", "-cpus", "2,3", "-size", "64",
		"-prefill=false", "-nice", "-5", "-variant", "busy=-lun mem:1GiB -busypoll 50us", "-variant", "u=-lun uring:{image}",
		"a=3260/iqn.a:b/7", "b=3261/iqn.c:d/0@/bin/server -x y",
	}, &complaint)
	require.NoError(t, err, "%s", complaint.String())
	require.Equal(t, []string{"4k-read-q32", "4k-read-q1"}, names(o.workloads))
	o.workloads = nil
	require.Equal(t, &options{
		repetitions: 5, duration: 500 * time.Millisecond, modes: []mode{{"one", 2, 2}}, builtin: []string{"floor", "file"},
		variants: []variant{{"busy", []string{"-lun", "mem:1GiB", "-busypoll", "50us"}}, {"u", []string{"-lun", "uring:{image}"}}},
		extra:    []extra{{"a", 3260, "iqn.a:b", 7, []string{}}, {"b", 3261, "iqn.c:d", 0, []string{"/bin/server", "-x", "y"}}},
		size:     64 << 20, nice: -5,
	}, o)
}

func TestWorkloadsAreGood(t *testing.T) {
	for _, w := range workloads() {
		w.load.Duration = time.Second
		require.NoError(t, w.load.Check(), w.name)
	}
	p := prefill()
	require.NoError(t, p.Check())
}

func TestPartsRefuse(t *testing.T) {
	var out bytes.Buffer
	require.Error(t, floorPart(t.Context(), nil))
	require.Error(t, loadPart(t.Context(), bytes.NewReader([]byte("{")), &out))
	require.Empty(t, out.String())
}

func TestTail(t *testing.T) {
	var w tail
	for range 1000 {
		n, err := w.Write([]byte("line\n"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
	}
	_, _ = w.Write([]byte("the end\xff\n"))
	require.LessOrEqual(t, len(w.String()), tailSize)
	require.Regexp(t, "line line the end$", w.String())
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 3, 2, 1}, 2.5}} {
		require.Equal(t, c.want, median(c.v))
	}
}

// result is a measurement of one second.
func result(commands uint64, p50 time.Duration) sample {
	return sample{result: &load.Result{
		Commands: commands, Bytes: commands * 4096, Elapsed: time.Second, CPU: time.Duration(commands) * 1500,
		P50: p50, P99: 2 * p50, P999: 3 * p50,
	}}
}

func TestPrint(t *testing.T) {
	c := &comparison{
		options: &options{modes: []mode{{"split", 0, 1}}, workloads: workloads()[:2]},
		targets: []*target{{name: nameFloor}, {name: nameTgtd}, {name: nameMem}},
		results: make(results),
	}
	at := func(w, t string) place { return place{"split", w, t} }
	for _, n := range []uint64{300000, 100000, 200000} {
		c.results.add(at("4k-read-q32", nameFloor), result(n, 80*time.Microsecond))
		c.results.add(at("4k-read-q32", nameTgtd), result(n/4, 90*time.Microsecond))
		c.results.add(at("4k-read-q32", nameMem), result(n/2, 85*time.Microsecond))
	}
	var out bytes.Buffer
	require.False(t, c.print(&out))
	require.Equal(t, "\n## split: client on CPU 0, server on CPU 1\n\n"+tableHead+
		"| 4k-read-q32 | floor | 200000 | 819 | 80 | 160 | 240 | 1.50 | 1.00 | 4.00 |\n"+
		"| 4k-read-q32 | tgtd | 50000 | 205 | 90 | 180 | 270 | 1.50 | 0.25 | 1.00 |\n"+
		"| 4k-read-q32 | mem | 100000 | 410 | 85 | 170 | 255 | 1.50 | 0.50 | 2.00 |\n", out.String())

	out.Reset()
	bad := result(10, time.Millisecond)
	bad.result.Errors = 3
	bad.result.CPU = 0
	c.results.add(at("4k-write-q32", nameMem), bad)
	c.results.add(at("4k-write-q32", nameMem), sample{failed: "it\nbroke"})
	c.results.add(at("4k-write-q32", nameMem), sample{result: &load.Result{Elapsed: time.Second}})
	require.True(t, c.print(&out))
	require.Contains(t, out.String(), "| 4k-write-q32 | mem | 10 | 0 | 1000 | 2000 | 3000 | – | – | – |\n\n## What failed\n\n"+
		"- split, 4k-write-q32, mem: 3 commands failed\n- split, 4k-write-q32, mem: it broke\n"+
		"- split, 4k-write-q32, mem: no command ended in time\n")
}
