package peers

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// family is a shell script that starts a child, prints both process numbers and waits.
const family = "sleep 1000 & echo numbers $$ $!; wait"

var numbers = regexp.MustCompile(`numbers (\d+) (\d+)\n`)

// requireGone waits until a process is no more, or only its exit status is left of it.
func requireGone(t testing.TB, pid string) {
	t.Helper()
	gone := func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return os.IsNotExist(err) || strings.Contains(string(stat), ") Z ")
	}
	require.Eventually(t, gone, startTimeout, time.Millisecond)
}

func TestProcessEndsWithItsTest(t *testing.T) {
	var pids []string
	t.Run("inner", func(t *testing.T) {
		p := start(t, "/bin/sh", "-c", family)
		pids = p.await(t, numbers)[1:]
		require.FileExists(t, "/proc/"+pids[1]+"/stat")
	})
	for _, pid := range pids {
		requireGone(t, pid)
	}
}

// noteTB notes the failures of a test.
type noteTB struct {
	testing.TB
	notes []string
}

func (n *noteTB) Helper() {}

func (n *noteTB) Errorf(format string, args ...any) {
	n.notes = append(n.notes, fmt.Sprintf(format, args...))
}

func TestStop(t *testing.T) {
	for _, c := range []struct{ name, script, note string }{
		{"in order", "trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done", ""},
		{"with a status", "trap 'exit 66' INT; echo ready; while :; do sleep 0.01; done", "exit status 66"},
		{"before", "echo ready", "before its time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, "/bin/sh", "-c", c.script)
			p.await(t, regexp.MustCompile("ready"))
			if c.name == "before" {
				<-p.exited
			}
			var n noteTB
			p.stop(&n)
			if c.note == "" {
				require.Empty(t, n.notes)
			} else {
				require.Contains(t, strings.Join(n.notes, " "), c.note)
			}
		})
	}
}

func TestOutputEndsWithItsContext(t *testing.T) {
	fifo := t.TempDir() + "/numbers"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := output(ctx, "", "/bin/sh", "-c", "mkfifo "+fifo+"; "+strings.Replace(family, "; wait", " > "+fifo+"; wait", 1))
		ended <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(fifo); return err == nil }, startTimeout, time.Millisecond)
	text, err := os.ReadFile(fifo)
	require.NoError(t, err)
	pids := numbers.FindStringSubmatch(string(text))[1:]
	cancel()
	require.Error(t, <-ended)
	for _, pid := range pids {
		requireGone(t, pid)
	}
}

func TestTail(t *testing.T) {
	require.Equal(t, "short", tail("short"))
	long := tail(strings.Repeat("x", 1<<20) + "end")
	require.Less(t, len(long), 9<<10)
	require.True(t, strings.HasSuffix(long, "end"))
}
