package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/internal/bench/load"
)

// cpus returns a value for the flag of that name whose server's CPU is there, all that mode one needs.
func cpus(t *testing.T) string {
	t.Helper()
	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &set))
	cpu := 0
	for !set.IsSet(cpu) {
		cpu++
	}
	return fmt.Sprintf("%d,%d", cpu+1, cpu)
}

// TestCompare measures the floor, the disks of our target and two targets that fail.
func TestCompare(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out, log bytes.Buffer
	err := command(t.Context(), []string{
		"-n", "2", "-s", "0.01", "-m", "one", "-cpus", cpus(t), "-size", "8", "-w", "4k-read-q32,256k-write-q8",
		"-t", "floor,floor-disk,mem,poll,file", "-variant", "null=-lun null:8MiB", "-variant", "no=-lun nothing",
		"no2=1/iqn.a:b/0@/bin/sh -c false",
	}, nil, &out, &log)
	require.ErrorIs(t, err, errFailed, "%s", log.String())
	for _, target := range []string{"floor", "mem", "poll", "file", "null"} {
		for _, w := range []string{"4k-read-q32", "256k-write-q8"} {
			require.Regexp(t, `\| `+w+` \| `+target+` \| [1-9]\d* \| \d+ \| \d+\.\d\d \| \d+\.\d\d–\d+\.\d\d \| (\d+\.\d\d|–) \| – \|`, out.String())
			require.Regexp(t, `\| `+w+` \| `+target+` \| \d+ \| \d+ \| \d+ \| \d+\.\d \| \d+\.\d\d \| \d+\.\d\d \| – \|`, out.String())
		}
	}
	require.Regexp(t, `\| 4k-read-q32 \| floor-disk \| [1-9]`, out.String())
	require.NotRegexp(t, `\| 256k-write-q8 \| floor-disk`, out.String())
	require.Contains(t, out.String(), "## Aims")
	require.Contains(t, out.String(), "- one, 4k-read-q32, no: ")
	require.Contains(t, out.String(), "- one, 256k-write-q8, no2: /bin/sh ended at once: exit status 1")
	require.NotContains(t, out.String(), "commands failed")
	requireEmpty(t, os.Getenv("TMPDIR"))
}

// TestProfile makes profiles of the floor and of our target.
func TestProfile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	var out, log bytes.Buffer
	err := command(t.Context(), []string{
		"-profile", dir, "-s", "1", "-m", "one", "-cpus", cpus(t), "-w", "4k-read-q32", "-t", "floor", "-variant", "null=-lun null:8MiB",
	}, nil, &out, &log)
	require.NoError(t, err, "%s", log.String())
	require.Regexp(t, `\| one \| 4k-read-q32 \| floor \| [1-9]`, out.String())
	require.Regexp(t, `\| one \| 4k-read-q32 \| null \| [1-9]`, out.String())
	top, err := os.ReadFile(filepath.Join(dir, "one-4k-read-q32-null.top.txt"))
	require.NoError(t, err)
	require.Contains(t, string(top), "Type: cpu")
	require.FileExists(t, filepath.Join(dir, "one-4k-read-q32-null.pprof"))
	require.NoFileExists(t, filepath.Join(dir, "one-4k-read-q32-floor.pprof"))
	if installed("perf") {
		require.FileExists(t, filepath.Join(dir, "one-4k-read-q32-floor.perf.txt"))
	}
	requireEmpty(t, os.Getenv("TMPDIR"))
}

// TestFreeze stops a process that would print and lets it go on.
func TestFreeze(t *testing.T) {
	var cpu int
	_, err := fmt.Sscanf(strings.Split(cpus(t), ",")[1], "%d", &cpu)
	require.NoError(t, err)
	p, err := start(where{cpu: cpu}, nil, "/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do :; done")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return p.output.String() == "ready" }, startLimit, pollEvery)
	state := func() string {
		f := strings.Fields(readText(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)))
		return f[2]
	}
	load.Calm(t.Context(), p.cmd.Process.Pid, pollEvery) // it never is
	p.freeze()
	load.Calm(t.Context(), p.cmd.Process.Pid, time.Hour) // it is at once
	require.Eventually(t, func() bool { return state() == "T" }, startLimit, pollEvery)
	p.thaw()
	require.Eventually(t, func() bool { return state() != "T" }, startLimit, pollEvery)
	p.freeze()
	p.end() // ends one that is stopped in order, too
	require.NoError(t, p.err)
}

// TestCompareEnds ends a run when the load generator is in the midst of its work.
func TestCompareEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0") // a target that says nothing
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		for { // the first to come only looks whether somebody listens
			c, err := l.Accept()
			if err != nil {
				gone <- err
				return
			}
			n, _ := c.Read(make([]byte, 100))
			if n == 0 {
				_ = c.Close()
				continue
			}
			cancel()
			_, err = io.Copy(io.Discard, c) // until the client is no more
			gone <- errors.Join(err, c.Close())
			return
		}
	}()
	var out, log bytes.Buffer
	err = command(ctx, []string{
		"-s", "3600", "-m", "one", "-cpus", cpus(t), "-t", "none",
		fmt.Sprintf("silent=%d/iqn.a:b/0", l.Addr().(*net.TCPAddr).Port),
	}, nil, &out, &log)
	require.ErrorIs(t, err, context.Canceled)
	<-gone // with or without an error, for it was killed
	require.NoError(t, l.Close())
	requireEmpty(t, os.Getenv("TMPDIR"))
}

// TestStartPinned lets a child tell where it runs.
func TestStartPinned(t *testing.T) {
	var before, after unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	var cpu int
	_, err := fmt.Sscanf(strings.Split(cpus(t), ",")[1], "%d", &cpu)
	require.NoError(t, err)
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	nice := min(20-raw+3, 19) // the tests may be nice, too
	p, err := start(where{cpu: cpu, nice: 3}, []string{"X=y"}, "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status; cut -d' ' -f19 /proc/self/stat; echo $X; sleep 1000 & wait")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return bytes.HasSuffix([]byte(p.output.String()), []byte(" y")) }, startLimit, pollEvery)
	require.Equal(t, fmt.Sprintf("Cpus_allowed_list: %d %d y", cpu, nice), p.output.String())
	p.end()
	p.kill() // once more, which does no harm
	require.NoError(t, unix.SchedGetaffinity(0, &after))
	require.Equal(t, before, after)
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
