package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// errFailed is returned when there is a table, but not all of it.
var errFailed = errors.New("not everything was measured")

// loadSlack is how much longer than its duration a load may take: logins, and commands that
// are in progress at the end.
const loadSlack = time.Minute

// errNothing is returned when no row measures any of the targets.
var errNothing = errors.New("none of these workloads is measured with any of these targets")

// comparison is a run.
type comparison struct {
	*options
	lab     *lab
	targets []*target
	results results
	log     io.Writer
}

// compare makes all measurements and prints the tables of those that were made, also when ctx
// ends or something fails. With the option profile it makes profiles instead.
func compare(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	for _, r := range o.rows {
		if err := r.mode.checkCPUs(); err != nil {
			return err
		}
	}
	machine := describeMachine()
	fmt.Fprintln(stderr, "bench: setting up")
	l, err := setUp(ctx, o)
	defer l.end()
	if err != nil {
		return err
	}
	c := &comparison{options: o, lab: l, targets: l.targets(o), results: make(results), log: stderr}
	if len(c.targets) == 0 {
		return errNothing
	}
	if o.profile != "" {
		return c.profiles(ctx, stdout)
	}
	for n := range c.repetitions {
		fmt.Fprintf(c.log, "bench: repetition %d of %d\n", n+1, c.repetitions)
		c.repeat(ctx, n)
	}
	fmt.Fprintln(stdout, machine)
	failed := c.print(stdout)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ended before its time: %w", err)
	}
	if failed {
		return errFailed
	}
	return nil
}

// running is a target in a repetition.
type running struct {
	*target
	process *process // nil: bench has not started it
	port    int
	err     error // why it is not to be measured
}

// repeat makes one measurement of each target in each row. All targets run, and are stopped but for
// the one that is measured; in each row they are measured right after each other, so that the
// machine is as fast for one as for another, each time another one first.
func (c *comparison) repeat(ctx context.Context, n int) {
	var list []*running
	defer func() {
		for _, r := range list {
			if r.process != nil {
				r.process.end()
			}
		}
	}()
	for _, t := range c.targets {
		if ctx.Err() != nil {
			return
		}
		r := c.begin(ctx, t)
		if r.err != nil && ctx.Err() == nil {
			fmt.Fprintf(c.log, "bench: %s: %v\n", t.name, r.err)
		}
		list = append(list, r)
	}
	for _, row := range c.rows {
		for i := range list {
			r := list[(i+n)%len(list)]
			if !row.workload.measures(r.target) {
				continue
			}
			s := c.sample(ctx, row, r)
			if ctx.Err() != nil {
				return
			}
			s.repetition = n
			c.results.add(place{row.mode.name, row.workload.name, r.name}, s)
		}
	}
}

// begin starts a target, writes its disk and stops it.
func (c *comparison) begin(ctx context.Context, t *target) *running {
	r := &running{target: t, port: t.port}
	m := c.rows[0].mode
	if t.start == nil {
		var none *process
		r.err = none.await(ctx, r.port)
	} else {
		if r.port == 0 {
			r.port, r.err = freePort()
		}
		if r.err == nil {
			r.process, r.err = t.start(ctx, where{cpu: m.server, nice: c.nice}, r.port)
		}
	}
	if r.err == nil && t.prefill && !t.filled {
		for _, pass := range prefill() {
			if _, err := c.measure(ctx, m, t, r.process, r.port, pass, prefillLimit); err != nil {
				r.err = fmt.Errorf("go over the disk once: %w", err)
				break
			}
		}
		t.filled = r.err == nil && t.start == nil
	}
	if r.process != nil {
		load.Calm(ctx, r.process.cmd.Process.Pid, calmStart)
		r.process.freeze()
	}
	return r
}

// load returns the load of a workload on a target.
func (c *comparison) load(w workload, t *target) load.Config {
	cfg := w.load
	cfg.Duration = c.duration
	if w.spread {
		cfg.LUNs = t.luns
	}
	return cfg
}

// sample makes one measurement.
func (c *comparison) sample(ctx context.Context, row row, r *running) sample {
	if r.err != nil {
		return sample{failed: r.err.Error()}
	}
	if r.process != nil {
		r.process.thaw()
		defer func() {
			load.Calm(ctx, r.process.cmd.Process.Pid, calmEnd)
			r.process.freeze()
		}()
	}
	cfg := c.load(row.workload, r.target)
	result, err := c.measure(ctx, row.mode, r.target, r.process, r.port, cfg, c.duration+loadSlack)
	if err != nil {
		if ctx.Err() == nil {
			fmt.Fprintf(c.log, "bench: %s, %s: %v\n", r.name, row.workload.name, err)
		}
		return sample{failed: err.Error()}
	}
	s := sample{result: result}
	if r.flags != nil {
		s.collects, s.collections = true, r.process.output.collections(result.Began, result.Began.Add(result.Elapsed))
	}
	return s
}

// measure makes a load in a process on the client's CPU.
func (c *comparison) measure(ctx context.Context, m mode, t *target, p *process, port int, cfg load.Config, limit time.Duration) (*load.Result, error) {
	cfg.Addr, cfg.Target, cfg.LUN = loopback(port), t.iqn, t.lun
	if p != nil {
		cfg.PID = p.cmd.Process.Pid
	}
	in, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bytes.Buffer
	var complaint tail
	cmd := exec.CommandContext(ctx, c.lab.self, partLoad)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &complaint
	ownGroup(cmd)
	if err := startPinned(cmd, where{m.client, c.nice, c.last}); err != nil {
		return nil, fmt.Errorf("start the load generator: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the load generator: %w: %s", errors.Join(err, ctx.Err()), complaint.String())
	}
	var o outcome
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		return nil, fmt.Errorf("the load generator: %w", err)
	}
	if o.Result == nil {
		return nil, errors.New(o.Failed)
	}
	return o.Result, nil
}
