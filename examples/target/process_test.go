//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// build builds the program and returns where it is.
func build(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "target")
	b, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", b)
	return path
}

// TestSignals builds the program, and ends it with each signal.
func TestSignals(t *testing.T) {
	path := build(t)
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		var err error
		out, ended := newOutput(), make(chan struct{})
		cmd := exec.Command(path, "-listen", "127.0.0.1:0")
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		go func() {
			defer close(ended)
			err = cmd.Wait()
		}()
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		out.await(t, `iscsi://127\.0\.0\.1:\d+/`, ended)
		require.NoError(t, cmd.Process.Signal(sig))
		<-ended
		require.NoError(t, err, "%s", out)
		require.Contains(t, out.String(), "ending")
	}
	b, err := exec.Command(path, "-lun", "disk").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(b), `target: invalid value "disk" for flag -lun`)
}
