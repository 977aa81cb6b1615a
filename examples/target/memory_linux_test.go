package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResidentMemory: a target with one disk that has done nothing yet is small, its program
// included.
func TestResidentMemory(t *testing.T) {
	out, ended := newOutput(), make(chan struct{})
	cmd := exec.Command(build(t), "-listen", "127.0.0.1:0", "-lun", "mem:1TiB")
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}()
	out.await(t, `iscsi://127\.0\.0\.1:\d+/`, ended)

	b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/status")
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m, "%s", b)
	most, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	require.Less(t, most, 20<<10, "KiB")
}
