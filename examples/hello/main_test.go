package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/iscsitest"
	"github.com/goscst/goscst/scsi"
)

const address = "127.0.0.1:3260"

// TestHello runs the program, at a port that is free, and uses its disk.
func TestHello(t *testing.T) {
	at := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	i := login(ctx, t, at)
	defer i.Close()
	_, err := i.Do(ctx, 0, make([]byte, 6), nil, nil)
	require.ErrorIs(t, err, scsi.PowerOnOccurred)
	out := bytes.Repeat([]byte("hello!!!"), 8192)
	_, err = i.Do(ctx, 0, scsi.AppendWrite16(nil, 1000, uint32(len(out)/512)), out, nil)
	require.NoError(t, err)
	in := make([]byte, len(out))
	_, err = i.Do(ctx, 0, scsi.AppendRead16(nil, 1000, uint32(len(in)/512)), nil, in)
	require.NoError(t, err)
	require.True(t, bytes.Equal(out, in))
	_, err = i.Do(ctx, 0, scsi.AppendRead16(nil, 64<<20/512, 1), nil, in[:512])
	require.ErrorIs(t, err, scsi.LBAOutOfRange)
}

// start builds the program with another address in the place of its own, and runs it.
func start(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	require.NoError(t, l.Close())

	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(source), address), "the comment and the call")
	dir := t.TempDir()
	changed := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.ReplaceAll(string(source), address, at)), 0o600))
	here, err := filepath.Abs("main.go")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program := filepath.Join(dir, "hello.exe")
	b, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", b)

	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	})
	return at
}

// login tries until the program listens, or ctx ends.
func login(ctx context.Context, t *testing.T, at string) *iscsitest.Initiator {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		i, err := iscsitest.Login(ctx, at, &iscsitest.Options{Target: "iqn.2026-11.com.example:hello"})
		if err == nil {
			return i
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			require.NoError(t, err)
		}
	}
}
