package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// fuzzTarget is one fuzz function.
type fuzzTarget struct {
	pkg, name string
}

// fuzz finds every fuzz target and runs each for the time of the flag. A failing input is left by
// the go command in testdata/fuzz of the package: it belongs into the commit that mends the bug.
func (c *checker) fuzz(ctx context.Context) error {
	list, err := c.output(ctx, "go", "test", "-json", "-list", "^Fuzz", "./...")
	if err != nil {
		return err
	}
	targets, err := parseFuzzList(strings.NewReader(list))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d fuzz targets\n", len(targets))
	var errs []error
	for _, t := range targets {
		if err := c.fuzzOne(ctx, t); err != nil {
			errs = append(errs, err)
			if !c.keepGoing {
				break
			}
		}
	}
	return errors.Join(errs...)
}

func (c *checker) fuzzOne(ctx context.Context, t fuzzTarget) error {
	var out bytes.Buffer
	err := c.tee(ctx, io.MultiWriter(c.out, &out), nil, nil, "go", "test", "-run", "^$",
		"-fuzz", "^"+t.name+"$", "-fuzztime", c.fuzzTime.String(), "-fuzzminimizetime", "5s", t.pkg)
	if err != nil && ctx.Err() == nil && lateEnd(out.String()) {
		return nil
	}
	return err
}

// lateEnd recognises a run that the go command calls failed only because a worker was busy when
// the time was up: no input failed then, so none was written.
func lateEnd(out string) bool {
	return strings.Contains(out, "context deadline exceeded") &&
		!strings.Contains(out, "Failing input written") && !strings.Contains(out, "panic:")
}

// parseFuzzList reads the events of "go test -json -list", sorted by package and name.
func parseFuzzList(r io.Reader) ([]fuzzTarget, error) {
	var targets []fuzzTarget
	dec := json.NewDecoder(r)
	for {
		var e struct{ Action, Package, Output string }
		if err := dec.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go test -list: %w", err)
		}
		name := strings.TrimSpace(e.Output)
		if e.Action == "output" && strings.HasPrefix(name, "Fuzz") {
			targets = append(targets, fuzzTarget{e.Package, name})
		}
	}
	sort.Slice(targets, func(i, j int) bool {
		a, b := targets[i], targets[j]
		return a.pkg < b.pkg || a.pkg == b.pkg && a.name < b.name
	})
	return targets, nil
}
