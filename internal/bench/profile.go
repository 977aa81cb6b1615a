package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const profileHead = `| mode | workload | target | IOPS | CPU µs/IO | kernel µs | user µs | files |
|---|---|---|---:|---:|---:|---:|---|
`

// profileLead is how much longer than its profiles a load is: it takes them time to begin.
const profileLead = time.Second

// profileSlack is how much longer than a measurement it may take to make its profile.
const profileSlack = time.Minute

// profiles makes a profile of each target in each row, into the folder of the option: that of the Go
// runtime for our target, and perf's for every one that bench starts, if perf is installed. A target
// runs alone then.
func (c *comparison) profiles(ctx context.Context, stdout io.Writer) error {
	if err := os.MkdirAll(c.profile, 0o777); err != nil {
		return err
	}
	perf := installed("perf")
	if !perf {
		fmt.Fprintln(c.log, "bench: perf is not installed (Debian: linux-perf): no split of kernel and user, no profile of the kernel")
	}
	fmt.Fprint(stdout, describeMachine(), "\n\n", profileHead)
	var errs []error
	for _, row := range c.rows {
		for _, t := range c.targets {
			if t.start == nil || !row.workload.measures(t) {
				continue
			}
			if ctx.Err() != nil {
				return fmt.Errorf("ended before its time: %w", ctx.Err())
			}
			line, err := c.profileOf(ctx, row, t, perf)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s, %s, %s: %w", row.mode.name, row.workload.name, t.name, err))
				continue
			}
			fmt.Fprint(stdout, line)
		}
	}
	return errors.Join(errs...)
}

// profileOf starts a target, makes a load and the profiles of it, and returns a line of the table.
func (c *comparison) profileOf(ctx context.Context, row row, t *target, perf bool) (line string, err error) {
	debug := 0
	copied := *t
	if t.flags != nil {
		if debug, err = freePort(); err != nil {
			return "", err
		}
		copied.start = c.lab.startOurs(append(t.flags[:len(t.flags):len(t.flags)], "-debug", loopback(debug))...)
	}
	r := c.begin(ctx, &copied)
	if r.process != nil {
		defer r.process.end()
		r.process.thaw()
	}
	if r.err != nil {
		return "", r.err
	}
	name := filepath.Join(c.profile, row.mode.name+"-"+row.workload.name+"-"+t.name)
	ctx, cancel := context.WithTimeout(ctx, c.duration+profileSlack)
	defer cancel()
	var wg sync.WaitGroup
	var files []string
	var goErr, perfErr error
	if debug != 0 {
		files = append(files, name+".pprof", name+".top.txt")
		wg.Go(func() { goErr = c.goProfile(ctx, debug, name) })
	}
	if perf {
		files = append(files, name+".perf.data", name+".perf.txt")
		wg.Go(func() { perfErr = c.record(ctx, r.process, name) })
	}
	cfg := c.load(row.workload, r.target)
	cfg.Duration += profileLead // profiles begin late
	result, err := c.measure(ctx, row.mode, r.target, r.process, r.port, cfg, cfg.Duration+loadSlack)
	wg.Wait()
	if err != nil {
		return "", err
	}
	kernel, user := "–", "–"
	if perf && perfErr == nil {
		var k, u float64
		k, u, perfErr = report(ctx, name)
		switch {
		case errors.Is(perfErr, errNoSamples): // as good as a program that is not installed
			perfErr = nil
			fmt.Fprintf(c.log, "bench: %s: %v\n", name, errNoSamples)
		case perfErr == nil:
			kernel, user = fmt.Sprintf("%.2f", k*cpu.of(result)), fmt.Sprintf("%.2f", u*cpu.of(result))
		}
	}
	if err := errors.Join(goErr, perfErr); err != nil {
		return "", err
	}
	return cells(row.mode.name, row.workload.name, t.name, fmt.Sprintf("%.0f", iops.of(result)),
		fmt.Sprintf("%.2f", cpu.of(result)), kernel, user, strings.Join(files, ", ")), nil
}

// goProfile takes a CPU profile from the debug server of our target and prints its functions to a file.
func (c *comparison) goProfile(ctx context.Context, port int, name string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", loopback(port), max(int(c.duration.Seconds()), 1))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, b)
	}
	if err := os.WriteFile(name+".pprof", b, 0o666); err != nil {
		return err
	}
	top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=80", name+".pprof").Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	return os.WriteFile(name+".top.txt", top, 0o666)
}

// record lets perf watch a process for the time of a measurement.
func (c *comparison) record(ctx context.Context, p *process, name string) error {
	cmd := exec.CommandContext(ctx, "perf", "record", "-q", "-g", "-F", "1999", "-p", strconv.Itoa(p.cmd.Process.Pid), "-o", name+".perf.data",
		"--", "sleep", fmt.Sprintf("%.2f", c.duration.Seconds()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("perf record: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// report lets perf print its functions to a file, and returns which parts of the time were the
// kernel's and the program's.
func report(ctx context.Context, name string) (kernel, user float64, err error) {
	cmd := exec.CommandContext(ctx, "perf", "report", "-i", name+".perf.data", "--stdio", "--no-children", "-g", "none", "--sort", "dso,symbol")
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("perf report: %w", err)
	}
	if err := os.WriteFile(name+".perf.txt", out, 0o666); err != nil {
		return 0, 0, err
	}
	return split(string(out))
}

// errNoSamples is returned for a report of nothing.
var errNoSamples = errors.New("perf report: no samples")

// split adds up the lines of a report of perf: percentage, object, [k] or [.], symbol.
func split(text string) (kernel, user float64, err error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimSuffix(f[0], "%"), 64)
		if err != nil {
			continue
		}
		switch {
		case strings.Contains(line, " [k] "):
			kernel += percent
		case strings.Contains(line, " [.] "):
			user += percent
		}
	}
	if kernel+user == 0 {
		return 0, 0, errNoSamples
	}
	return kernel / (kernel + user), user / (kernel + user), nil
}
