package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// emulatorVar makes the test binary play the emulator: its value says how.
const emulatorVar = "GOSCST_TEST_EMULATOR"

// TestMain is the emulator where a test asks for one.
func TestMain(m *testing.M) {
	if how := os.Getenv(emulatorVar); how != "" {
		emulate(how)
		return
	}
	m.Run()
}

// emulate stands in for QEMU and the guest: it takes scripts and answers each with its text, or
// behaves as how says.
func emulate(how string) {
	fmt.Fprintln(os.Stderr, "emulator speaking")
	if how == "exits" {
		return
	}
	_, path, _ := strings.Cut(strings.Join(os.Args, " "), "socket,id=port,path=")
	path, _, _ = strings.Cut(path, " ")
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if how == "mute" {
		_, _ = io.Copy(io.Discard, in) // until the other side is closed
		return
	}
	fmt.Fprint(conn, "0 0\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line))
		script := make([]byte, n)
		if _, err := io.ReadFull(in, script); err != nil {
			return
		}
		switch text := string(script); text {
		case "fail":
			fmt.Fprint(conn, "3 4\noops")
		case "crash":
			return
		case "babble":
			fmt.Fprint(conn, "zero bytes\n")
		case "hang":
		default:
			fmt.Fprintf(conn, "0 %d\n%s", len(text), text)
		}
	}
}

// bootFake boots a machine whose emulator is this test binary.
func bootFake(t *testing.T, ctx context.Context, how string) (*Machine, error) {
	t.Helper()
	t.Setenv(emulatorVar, how)
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	m, err := Boot(ctx, self, &Image{Kernel: "k", Initrd: "i"})
	if m != nil {
		t.Cleanup(func() { require.NoError(t, m.Close()) })
	} else {
		left, globErr := filepath.Glob(filepath.Join(os.TempDir(), "*"))
		require.NoError(t, globErr)
		require.Empty(t, left)
	}
	return m, err
}

func TestRun(t *testing.T) {
	m, err := bootFake(t, t.Context(), "well")
	require.NoError(t, err)
	for _, script := range []string{"one", "several\nlines\n", "", strings.Repeat("long ", 1<<16)} {
		out, err := m.Run(t.Context(), script)
		require.NoError(t, err)
		require.Equal(t, script, out)
	}
	out, err := m.Run(t.Context(), "fail")
	var failed *ScriptError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, ScriptError{Status: 3, Output: "oops"}, *failed)
	require.ErrorContains(t, err, "status 3:\noops")
	require.Equal(t, "oops", out)
	out, err = m.Run(t.Context(), "afterwards")
	require.NoError(t, err)
	require.Equal(t, "afterwards", out)
	require.Contains(t, m.Console(), "emulator speaking")
}

func TestRunWhenTheGuestFails(t *testing.T) {
	for script, want := range map[string]string{"crash": "the guest is gone", "babble": `answer "zero bytes`} {
		m, err := bootFake(t, t.Context(), "well")
		require.NoError(t, err)
		_, err = m.Run(t.Context(), script)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "emulator speaking")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	m, err := bootFake(t, t.Context(), "well")
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	go cancel(errors.New("enough"))
	_, err = m.Run(ctx, "hang")
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseEndsRun(t *testing.T) {
	m, err := bootFake(t, t.Context(), "well")
	require.NoError(t, err)
	closed := make(chan error)
	go func() { closed <- m.Close() }()
	_, err = m.Run(t.Context(), "hang")
	require.Error(t, err)
	require.NoError(t, <-closed)
	require.NoError(t, m.Close())
	require.NoDirExists(t, m.dir)
}

func TestBootThatFails(t *testing.T) {
	_, err := bootFake(t, t.Context(), "exits")
	require.ErrorContains(t, err, "does not come up")
	require.ErrorContains(t, err, "emulator speaking")

	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	_, err = bootFake(t, ctx, "mute")
	require.ErrorIs(t, err, context.Canceled)

	_, err = Boot(t.Context(), filepath.Join(t.TempDir(), "none"), &Image{})
	require.ErrorContains(t, err, "no such file")
}

func TestBuildTakesWhatIsThere(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "vm-"+version())
	require.NoError(t, os.Mkdir(dir, 0o755))
	img, err := Build(t.Context(), cache)
	require.NoError(t, err)
	require.Equal(t, &Image{filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd.gz")}, img)
}

func TestBuildWithoutPackages(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	_, err := Build(t.Context(), cache)
	require.ErrorIs(t, err, ErrNoPackages)
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, left)
}
