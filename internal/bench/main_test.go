package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
)

// TestMain lets the test be the parts that bench starts as processes of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == partFloor || os.Args[1] == partLoad || os.Args[1] == partRig) {
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
		{[]string{"-t", "mem,x"}, "-t \"x\": allowed are floor,floor-disk,tgtd,mem,poll,file,luns-1,luns-16384, none"},
		{[]string{"-t", "none"}, "no target"},
		{[]string{"-cpus", "1,1"}, "-cpus \"1,1\""},
		{[]string{"-cpus", "1"}, "-cpus \"1\""},
		{[]string{"-variant", "busy"}, "NAME=FLAGS is allowed"},
		{[]string{"isolation", "-x"}, "not defined"},
		{[]string{"isolation", "-n", "0"}, "-n 0"},
		{[]string{"isolation", "-s", "0.001"}, "-s 0.001"},
		{[]string{"isolation", "-s", "0.01", "-w", "x"}, "-w \"x\": allowed are stuck-same,"},
		{[]string{"isolation", "x"}, "no argument is allowed"},
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
	require.Equal(t, []string{"one 4k-read-q32", "one 4k-read-q1"}, rowNames(o))
	require.Equal(t, mode{"one", 3, 3}, o.rows[0].mode)
	o.rows = nil
	require.Equal(t, &options{
		repetitions: 5, duration: 500 * time.Millisecond, builtin: []string{"floor", "file"},
		variants: []variant{{"busy", []string{"-lun", "mem:1GiB", "-busypoll", "50us"}}, {"u", []string{"-lun", "uring:{image}"}}},
		extra:    []extra{{"a", 3260, "iqn.a:b", 7, []string{}}, {"b", 3261, "iqn.c:d", 0, []string{"/bin/server", "-x", "y"}}},
		size:     64 << 20, nice: -5,
	}, o)
}

// rowNames returns mode and workload of each row.
func rowNames(o *options) []string {
	var list []string
	for _, r := range o.rows {
		list = append(list, r.mode.name+" "+r.workload.name)
	}
	return list
}

func TestParseDefaults(t *testing.T) {
	var complaint bytes.Buffer
	o, err := parse(nil, &complaint)
	require.NoError(t, err)
	var want []string
	for _, w := range workloads() {
		want = append(want, "split "+w.name)
	}
	require.Equal(t, append(want, "one 4k-read-q32"), rowNames(o))
	require.Equal(t, 400*time.Millisecond, o.duration)
	require.Contains(t, o.builtin, namePoll)
	require.Equal(t, installed("tgtd", "tgtadm"), slices.Contains(o.builtin, nameTgtd))

	o, err = parse([]string{"-w", "4k-read-q8,4k-read-q1"}, &complaint)
	require.NoError(t, err)
	require.Equal(t, []string{"split 4k-read-q8", "split 4k-read-q1", "one 4k-read-q8", "one 4k-read-q1"}, rowNames(o))

	o, err = parse([]string{"-profile", "d"}, &complaint)
	require.NoError(t, err)
	require.Equal(t, "d", o.profile)
	require.Equal(t, 5*time.Second, o.duration)
	o, err = parse([]string{"-profile", "d", "-s", "1"}, &complaint)
	require.NoError(t, err)
	require.Equal(t, time.Second, o.duration)
	require.Empty(t, complaint.String())
}

// TestTargetsOfRows: a target that no row measures is not started.
func TestTargetsOfRows(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-w", "4k-read-q32"}, []string{"floor", "floor-disk", "mem", "poll", "file", "v", "x"}},
		{[]string{"-w", "4k-write-q32"}, []string{"floor", "mem", "poll", "file", "v", "x"}},
		{[]string{"-w", "4k-read-64x4"}, []string{"floor", "floor-disk", "mem", "v", "x"}},
		{[]string{"-w", "4k-read-1000s"}, []string{"mem", "v", "x"}},
		{[]string{"-w", "4k-read-all-luns"}, []string{"luns-1", "luns-16384"}},
	} {
		var complaint bytes.Buffer
		all := "floor,floor-disk,mem,poll,file,luns-1,luns-16384"
		o, err := parse(append(c.args, "-t", all, "-variant", "v=-lun null:1GiB", "x=1/iqn.a:b/0"), &complaint)
		require.NoError(t, err)
		var got []string
		for _, t := range (&lab{size: 3 << 20}).targets(o) {
			got = append(got, t.name)
		}
		require.Equal(t, c.want, got)
	}
}

func TestWorkloadsAreGood(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range workloads() {
		require.False(t, seen[w.name])
		seen[w.name] = true
		for _, b := range w.builtin {
			require.Contains(t, builtins(), b)
		}
		w.load.LUNs = manyLUNs
		w.load.Duration = time.Second
		require.NoError(t, w.load.Check(), w.name)
	}
	for _, s := range scenes() {
		for _, around := range []surrounding{s.fair, s.bad} {
			victim := s.victim
			victim.Duration, victim.Window, victim.Hang, victim.HangLUN = time.Second, window, around.hang, rigStuck
			require.NoError(t, victim.Check(), s.name)
			if n := around.neighbours; n != nil {
				n.Duration = time.Second
				require.NoError(t, n.Check(), s.name)
			}
		}
	}
	for _, p := range prefill() {
		require.NoError(t, p.Check())
	}
}

func TestPartsRefuse(t *testing.T) {
	var out bytes.Buffer
	require.Error(t, floorPart(t.Context(), nil))
	require.Error(t, floorPart(t.Context(), []string{"127.0.0.1:0", "x"}))
	require.Error(t, rigPart(t.Context(), nil))
	require.ErrorContains(t, rigPart(t.Context(), []string{"127.0.0.1:0", "-1"}), "changes in a second")
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

func TestTailCountsCollections(t *testing.T) {
	var w tail
	start := time.Now()
	for _, part := range []string{"gc 1 @0.1s\n", "g", "c", " 2 @", "0.2s\nscavenger\ngcc \n", "\n gc 3\n", "gc ", "3\ngc 4"} {
		_, _ = w.Write([]byte(part))
	}
	now := time.Now().Add(time.Nanosecond)
	require.Equal(t, 3, w.collections(start, now))
	require.Zero(t, w.collections(now, now.Add(time.Hour)))
	require.Zero(t, w.collections(start.Add(-time.Hour), start))
}
