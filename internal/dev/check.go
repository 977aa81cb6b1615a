package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	defaultFuzzTime    = 3 * time.Second
	defaultTestTimeout = 10 * time.Minute
)

// options are the flags of check.
type options struct {
	keepGoing   bool
	fresh       bool
	fuzzTime    time.Duration
	testTimeout time.Duration
}

// checker runs steps. It is used by one goroutine.
type checker struct {
	options
	root string // directory of go.mod
	out  io.Writer
}

// step is one kind of check.
type step struct {
	name string
	doc  string
	run  func(*checker, context.Context) error
}

// result is what became of a step.
type result struct {
	name string
	took time.Duration
	err  error
}

// selectSteps returns the steps of all that names name, in the order of all; no names mean all.
func selectSteps(all []step, names []string) ([]step, error) {
	if len(names) == 0 {
		return all, nil
	}
	var selected []step
	for _, s := range all {
		if slices.Contains(names, s.name) {
			selected = append(selected, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s step) bool { return s.name == name }) {
			return nil, fmt.Errorf("no step %q; \"dev steps\" lists them", name)
		}
	}
	return selected, nil
}

// check runs the steps in order and prints the table of results. It returns an error that names
// the steps that failed. Without keepGoing the first failure is the last step.
func (c *checker) check(ctx context.Context, selected []step) error {
	start := time.Now()
	var results []result
	for _, s := range selected {
		fmt.Fprintf(c.out, "== %s: %s\n", s.name, s.doc)
		began := time.Now()
		err := s.run(c, ctx)
		if err == nil {
			err = ctx.Err()
		}
		results = append(results, result{s.name, time.Since(began), err})
		if err != nil {
			fmt.Fprintf(c.out, "== %s failed: %v\n", s.name, err)
			if !c.keepGoing || ctx.Err() != nil {
				break
			}
		}
	}
	return summarize(c.out, results, len(selected)-len(results), time.Since(start))
}

// summarize prints the table of results and returns an error if a step failed.
func summarize(out io.Writer, results []result, left int, took time.Duration) error {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var failed []string
	for _, r := range results {
		verdict := "ok"
		if r.err != nil {
			verdict = "FAILED"
			failed = append(failed, r.name)
		}
		fmt.Fprintf(table, "%s\t%s\t%7.1fs\n", r.name, verdict, r.took.Seconds())
	}
	fmt.Fprintf(table, "total\t\t%7.1fs\n", took.Seconds())
	if err := table.Flush(); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(out, "%d steps were not run\n", left)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, " "))
	}
	return nil
}
