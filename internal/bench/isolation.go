package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/load"
)

// commandIsolation is the first argument that asks for the isolation measurements.
const commandIsolation = "isolation"

const (
	window  = 10 * time.Millisecond  // in which throughput is looked at
	lead    = 400 * time.Millisecond // by which neighbours begin earlier and end later
	changes = 300                    // of a LUN map in a second
)

// scene is a victim in a fair surrounding and in a bad one.
type scene struct {
	name      string
	victim    load.Config
	fair, bad surrounding
}

// surrounding is what goes on beside the victim.
type surrounding struct {
	neighbours *load.Config // nil: none
	hang       int          // commands of the victim's own session that are stuck on another logical unit
	changes    int          // of the LUN map in a second
}

// scenes returns all of them, in the order of the table.
func scenes() []scene {
	const k = 1 << 10
	small := load.Config{Conns: 1, Depth: 32, Block: 4 * k, Random: true}
	modest := load.Config{Conns: 1, Depth: 4, Block: 4 * k, Random: true}
	slow := modest
	slow.LUN = rigSlow
	crowd := func(conns, depth, block, writes int, lun uint8) surrounding {
		return surrounding{neighbours: &load.Config{
			Conns: conns, Depth: depth, Block: block, Writes: writes, Random: true, LUN: lun,
		}}
	}
	stuck := crowd(1, 4, 4*k, 0, rigVictim) // what they read beside what is stuck
	stuck.neighbours.Hang, stuck.neighbours.HangLUN = 128, rigStuck
	equal := crowd(4, 4, 4*k, 0, rigFlood)
	return []scene{
		{"stuck-same", small, surrounding{}, surrounding{hang: 128}},
		{"stuck-other", small, crowd(1, 4, 4*k, 0, rigVictim), stuck},
		{"flood-4k", modest, equal, crowd(4, 128, 4*k, 0, rigFlood)},
		{"flood-256k", modest, equal, crowd(4, 64, 256*k, 0, rigFlood)},
		{"flood-write", modest, equal, crowd(4, 64, 256*k, 100, rigFlood)},
		{"flood-slow", slow, crowd(1, 4, 4*k, 0, rigSlow), crowd(1, 128, 4*k, 0, rigSlow)},
		{"changes", small, surrounding{}, surrounding{changes: changes}},
	}
}

// isolation are the measurements of one run.
type isolation struct {
	*comparison
	modes  []mode
	scenes []scene
}

// isolate measures what each scene's bad surrounding costs its victim, and prints a table.
func isolate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, chosen, err := parseIsolation(args, stderr)
	if err != nil {
		return err
	}
	var modes []mode
	for _, r := range o.rows {
		if !slices.Contains(modes, r.mode) {
			modes = append(modes, r.mode)
		}
	}
	for _, m := range modes {
		if err := m.checkCPUs(); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	machine := describeMachine()
	i := &isolation{&comparison{options: o, lab: &lab{self: self}, results: make(results), log: stderr}, modes, chosen}
	i.run(ctx)
	fmt.Fprintln(stdout, machine)
	failed := i.print(stdout)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ended before its time: %w", err)
	}
	if failed {
		return errFailed
	}
	return nil
}

// parseIsolation reads the command line.
func parseIsolation(args []string, stderr io.Writer) (*options, []scene, error) {
	o := &options{}
	var seconds float64
	var modes, cpus, names string
	f := flag.NewFlagSet("bench "+commandIsolation, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.repetitions, "n", 3, "`repetitions` of each measurement; the table has medians")
	f.Float64Var(&seconds, "s", 1, "`seconds` of each measurement")
	f.StringVar(&modes, "m", "split", "`modes`: split, client and server on a CPU each; one, both on one")
	f.StringVar(&cpus, "cpus", "0,1", "`CPUs` of client and server")
	f.IntVar(&o.nice, "nice", 0, "`niceness` of victim and server; less than 0 takes root")
	f.StringVar(&names, "w", "", "`scenes` (default all): "+strings.Join(sceneNames(scenes()), ","))
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, nil, err
		}
		return nil, nil, errUsage // flag has printed the reason
	}
	var chosen []scene
	err := o.set(seconds, modes, "", "none", cpus, 2)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("%q: no argument is allowed", f.Arg(0))
	}
	if err == nil {
		if chosen, err = selectNamed(scenes(), func(s scene) string { return s.name }, names); err != nil {
			err = fmt.Errorf("-w %w", err)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return nil, nil, errUsage
	}
	return o, chosen, nil
}

func sceneNames(list []scene) []string {
	var n []string
	for _, s := range list {
		n = append(n, s.name)
	}
	return n
}

// The targets under whose names the results of a scene are kept.
const (
	sideFair = "fair"
	sideBad  = "bad"
)

// run makes the measurements: within a repetition fair and bad take turns.
func (i *isolation) run(ctx context.Context) {
	for n := range i.repetitions {
		for _, m := range i.modes {
			for _, s := range i.scenes {
				sides := []string{sideFair, sideBad}
				if n%2 == 1 {
					slices.Reverse(sides)
				}
				for _, side := range sides {
					if ctx.Err() != nil {
						return
					}
					fmt.Fprintf(i.log, "bench: repetition %d of %d, %s, %s, %s\n", n+1, i.repetitions, m.name, s.name, side)
					r, err := i.scene(ctx, m, s, side)
					if ctx.Err() != nil {
						return
					}
					x := sample{repetition: n, result: r}
					if err != nil {
						x = sample{repetition: n, failed: err.Error()}
						fmt.Fprintf(i.log, "bench: %s, %s: %v\n", s.name, side, err)
					}
					i.results.add(place{m.name, s.name, side}, x)
				}
			}
		}
	}
}

// scene measures the victim in one of its surroundings, on a target started for it.
func (i *isolation) scene(ctx context.Context, m mode, s scene, side string) (*load.Result, error) {
	around := s.fair
	if side == sideBad {
		around = s.bad
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := start(where{cpu: m.server, nice: i.nice}, nil, i.lab.self, partRig, loopback(port), fmt.Sprint(around.changes))
	if p, err = ready(ctx, p, port, err); err != nil {
		return nil, err
	}
	defer p.end()
	t := &target{iqn: iqn, lun: rigVictim}
	used := []uint8{s.victim.LUN}
	if n := around.neighbours; n != nil && n.LUN != s.victim.LUN {
		used = append(used, n.LUN)
	}
	for _, t.lun = range used {
		for _, pass := range prefill() {
			if _, err := i.measure(ctx, m, t, p, port, pass, prefillLimit); err != nil {
				return nil, fmt.Errorf("go over LUN %d once: %w", t.lun, err)
			}
		}
	}
	neighbours := make(chan error, 1)
	if around.neighbours == nil {
		neighbours <- nil
	} else {
		cfg := *around.neighbours
		cfg.Duration, cfg.Initiator = i.duration+2*lead, "-beside"
		nt := *t
		nt.lun = cfg.LUN
		polite := *i.comparison
		o := *i.options
		o.last = true // what they cost the client's CPU is not the target's fault
		polite.options = &o
		go func() {
			_, err := polite.measure(ctx, m, &nt, nil, port, cfg, cfg.Duration+loadSlack)
			neighbours <- err
		}()
		wait := time.NewTimer(lead)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	cfg := s.victim
	cfg.Duration, cfg.Window = i.duration, window
	if cfg.Hang = around.hang; cfg.Hang > 0 {
		cfg.HangLUN = rigStuck
	}
	t.lun = cfg.LUN
	r, err := i.measure(ctx, m, t, p, port, cfg, i.duration+loadSlack)
	if err2 := <-neighbours; err2 != nil {
		err = errors.Join(err, fmt.Errorf("neighbours: %w", err2))
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

const isolationHead = `| scene | victim's fair IOPS | IOPS | × fair | fair p99 µs | p99 µs | fair lowest window | lowest window | fair windows below 0.9 | windows below 0.9 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

// print writes a table for each mode and what failed, and reports whether anything did.
func (i *isolation) print(w io.Writer) (failed bool) {
	var notes []string
	for _, m := range i.modes {
		fmt.Fprintf(w, "\n## %s: client on CPU %d, server on CPU %d\n\n%s", m.name, m.client, m.server, isolationHead)
		for _, s := range i.scenes {
			a, b := place{m.name, s.name, sideFair}, place{m.name, s.name, sideBad}
			if ratio := i.results.ratios(iops, b, a); ratio.n > 0 {
				fairLow, fairDips := i.results.dips(a)
				low, dips := i.results.dips(b)
				fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %.2f | %.2f | %.1f %% | %.1f %% |\n",
					s.name, i.results.values(iops, a).with("%.0f"), i.results.values(iops, b).with("%.0f"), ratio.with("%.2f"),
					i.results.values(p99, a).with("%.0f"), i.results.values(p99, b).with("%.0f"),
					fairLow, low, 100*fairDips, 100*dips)
			}
			for _, p := range []place{a, b} {
				if s.bad.changes > 0 { // each is told by a command that fails
					for k := range i.results[p] {
						if r := i.results[p][k].result; r != nil {
							r.Errors = 0
						}
					}
				}
				notes = append(notes, i.results.notes(p)...)
			}
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n## What failed\n\n%s\n", strings.Join(notes, "\n"))
	}
	return len(notes) > 0
}

// dips returns the throughput of the lowest window, as a part of the median of all windows of its
// measurement, and which part of the windows is below 0.9 of that: medians of the repetitions.
func (r results) dips(p place) (low, below float64) {
	var lows, belows []float64
	for _, s := range r[p] {
		if s.result == nil || len(s.result.Windows) == 0 {
			continue
		}
		w := slices.Sorted(slices.Values(s.result.Windows))
		mid := float64(w[len(w)/2])
		n := 0
		for n < len(w) && float64(w[n]) < 0.9*mid {
			n++
		}
		if mid > 0 {
			lows = append(lows, float64(w[0])/mid)
			belows = append(belows, float64(n)/float64(len(w)))
		}
	}
	return newSpread(lows).median, newSpread(belows).median
}
