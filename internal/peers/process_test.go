package peers

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startTimeout is how long a program may take until it is ready, on a busy machine.
const startTimeout = time.Minute

// process is a program that runs beside a test and ends with it.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // how, once exited is closed

	mu     sync.Mutex
	output bytes.Buffer  // guarded by mu
	more   chan struct{} // guarded by mu; closed and replaced when output grows
}

// start runs a program until the end of the test. What it printed is logged if the test fails.
func start(t testing.TB, path string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd:    exec.Command(path, args...),
		exited: make(chan struct{}),
		more:   make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	ownGroup(p.cmd)
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", path, p.tail())
		}
	})
	return p
}

// kill ends the program and its children at once.
func (p *process) kill() {
	killGroup(p.cmd)
	<-p.exited
}

// stop asks the program to end, as an administrator does, and requires that it does so in time and
// successfully.
func (p *process) stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Errorf("%s has ended before its time: %v", p.cmd.Path, err)
	}
	select {
	case <-p.exited:
		if p.err != nil {
			t.Errorf("%s: %v", p.cmd.Path, p.err)
		}
	case <-time.After(startTimeout):
		t.Errorf("%s does not end", p.cmd.Path)
	}
}

// Write takes what the program prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b)
	close(p.more)
	p.more = make(chan struct{})
	return len(b), nil
}

// await returns the submatches of the first match of re in what the program prints, and fails the
// test if the program ends first or the time is up.
func (p *process) await(t testing.TB, re *regexp.Regexp) []string {
	t.Helper()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	for {
		p.mu.Lock()
		match, more := re.FindStringSubmatch(p.output.String()), p.more
		p.mu.Unlock()
		if match != nil {
			return match
		}
		select {
		case <-more:
		case <-p.exited:
			t.Fatalf("%s ended without printing %s:\n%s", p.cmd.Path, re, p.tail())
		case <-limit.C:
			t.Fatalf("%s does not print %s:\n%s", p.cmd.Path, re, p.tail())
		}
	}
}

// tail returns the end of what the program printed.
func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return tail(p.output.String())
}

// tail returns the end of s.
func tail(s string) string {
	const end = 8 << 10
	if len(s) > end {
		return "...\n" + s[len(s)-end:]
	}
	return s
}

// output runs a program to its end and returns what it printed on both outputs, also if it fails.
// The program and its children are killed when ctx ends.
func output(ctx context.Context, dir, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is output for a program that has to succeed within the limit.
func must(t testing.TB, limit time.Duration, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := output(ctx, "", path, args...)
	require.NoError(t, err, "%s %q\n%s", path, args, tail(out))
	return out
}
