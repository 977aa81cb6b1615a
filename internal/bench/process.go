package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Bounds of waiting for processes.
const (
	startLimit = 30 * time.Second // until one listens
	stopLimit  = 10 * time.Second // until one that was told to end has ended
	pollEvery  = 20 * time.Millisecond
	calmStart  = 5 * time.Second        // until one does nothing after its start
	calmEnd    = 300 * time.Millisecond // after a measurement
)

// process is a program that bench runs pinned to a CPU, with the children that it may have.
type process struct {
	cmd    *exec.Cmd
	output tail
	exited chan struct{} // closed when it has ended
	err    error         // how, once exited is closed
	deaf   bool          // it does not end when asked to
}

// where says where a process runs, and how much it gives way to others.
type where struct {
	cpu, nice int
	last      bool // it gives way to everybody, at once
}

// start runs a program there. The kernel kills it when bench ends, however that happens.
func start(w where, env []string, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = stopLimit
	ownGroup(p.cmd)
	if err := startPinned(p.cmd, w); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// await waits until a server listens on the port of the loopback interface. A process that ends
// before is an error; p may be nil.
func (p *process) await(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var exited chan struct{}
	if p != nil {
		exited = p.exited
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "tcp", loopback(port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("%s ended at once: %v: %s", p.cmd.Path, p.err, p.output.String())
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on port %d: %w", port, context.Cause(ctx))
		}
	}
}

// end asks the process to end, and kills it with its children when that takes too long.
func (p *process) end() {
	if p.deaf {
		p.kill()
		return
	}
	p.thaw()
	terminate(p.cmd)
	t := time.NewTimer(stopLimit)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
	}
	p.kill()
}

// kill ends the process and its children at once.
func (p *process) kill() {
	killGroup(p.cmd)
	<-p.exited
}

// freeze stops the process and its children until thaw: nothing that they do disturbs others.
func (p *process) freeze() { freezeGroup(p.cmd) }

// thaw lets a process that was stopped go on.
func (p *process) thaw() { thawGroup(p.cmd) }

// tail is a writer that keeps the last of what is written, and counts the lines by which the Go
// runtime tells of a collection of garbage, with GODEBUG=gctrace=1.
type tail struct {
	mu   sync.Mutex
	last []byte      // guarded by mu
	line []byte      // guarded by mu; how the line begins that is not ended, gcMark at most
	gcs  []time.Time // guarded by mu; when it told of one, the last ones
}

const (
	tailSize = 2 << 10
	tailGCs  = 4 << 10
)

// gcMark is how such a line begins.
const gcMark = "gc "

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	t.last = t.last[max(len(t.last)-tailSize, 0):]
	for _, x := range b {
		switch {
		case x == '\n':
			if string(t.line) == gcMark {
				t.gcs = append(t.gcs, time.Now())
				t.gcs = t.gcs[max(len(t.gcs)-tailGCs, 0):]
			}
			t.line = t.line[:0]
		case len(t.line) < len(gcMark):
			t.line = append(t.line, x)
		}
	}
	return len(b), nil
}

// collections returns how many collections of garbage were told of in a time.
func (t *tail) collections(from, to time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, at := range t.gcs {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// String returns it as one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(bytes.ToValidUTF8(t.last, nil))), " ")
}

// loopback is an address of the loopback interface.
func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// freePort returns a port that nothing listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// installed reports whether all the programs are.
func installed(programs ...string) bool {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return false
		}
	}
	return true
}
