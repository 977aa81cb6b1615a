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

// comparison is a run.
type comparison struct {
	*options
	lab     *lab
	targets []*target
	results results
	log     io.Writer
}

// compare makes all measurements and prints the table of those that were made, also when ctx
// ends or something fails.
func compare(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	for _, m := range o.modes {
		if err := m.checkCPUs(); err != nil {
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
	c.run(ctx)
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

// run makes the measurements: within a repetition the targets take turns.
func (c *comparison) run(ctx context.Context) {
	for n := range c.repetitions {
		for _, m := range c.modes {
			for _, t := range c.targets {
				if ctx.Err() != nil {
					return
				}
				fmt.Fprintf(c.log, "bench: repetition %d of %d, %s, %s\n", n+1, c.repetitions, m.name, t.name)
				if err := c.turn(ctx, m, t); err != nil && ctx.Err() == nil {
					fmt.Fprintf(c.log, "bench: %s: %v\n", t.name, err)
					for _, w := range c.workloads {
						c.results.add(place{m.name, w.name, t.name}, sample{failed: err.Error()})
					}
				}
			}
		}
	}
}

// turn starts a target, measures all workloads and ends it. An error stands for all of them.
func (c *comparison) turn(ctx context.Context, m mode, t *target) error {
	var p *process
	port := t.port
	var err error
	if t.start != nil {
		if port == 0 {
			if port, err = freePort(); err != nil {
				return err
			}
		}
		if p, err = t.start(ctx, where{m.server, c.nice}, port); err != nil {
			return err
		}
		defer p.end()
	} else if err := p.await(ctx, port); err != nil {
		return err
	}
	if t.prefill && !t.filled {
		if _, err := c.measure(ctx, m, t, p, port, prefill(), prefillLimit); err != nil {
			return fmt.Errorf("write the disk once: %w", err)
		}
		t.filled = t.start == nil
	}
	for _, w := range c.workloads {
		cfg := w.load
		cfg.Duration = c.duration
		r, err := c.measure(ctx, m, t, p, port, cfg, c.duration+loadSlack)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s := sample{result: r}
		if err != nil {
			s = sample{failed: err.Error()}
			fmt.Fprintf(c.log, "bench: %s, %s: %v\n", t.name, w.name, err)
		}
		c.results.add(place{m.name, w.name, t.name}, s)
	}
	return nil
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
	if err := startPinned(cmd, where{m.client, c.nice}); err != nil {
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
