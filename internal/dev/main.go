// Command dev runs the checks of this module: the same ones by hand and in continuous integration.
//
//	go run ./internal/dev check [flags] [step ...]
//
// Without step names every step runs, in the order of "dev steps". Each prints its commands and
// their output as they go, and a table of results and durations ends the run. The exit status is 0
// if every step passed, 1 if one failed, 2 for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

const usage = `usage:
  dev check [flags] [step ...]   run the steps, or all of them
  dev steps                      list the steps

flags of check:
`

// errUsage is returned for arguments that make no sense; the reason is printed already.
var errUsage = errors.New("wrong arguments")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

// command runs the subcommand that args name.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var opts options
	flags := opts.flags(stderr)
	if len(args) == 0 {
		flags.Usage()
		return errUsage
	}
	switch args[0] {
	case "steps":
		for _, s := range steps() {
			fmt.Fprintf(stdout, "%-12s %s\n", s.name, s.doc)
		}
		return nil
	case "check":
	default:
		fmt.Fprintf(stderr, "dev: no command %q\n", args[0])
		flags.Usage()
		return errUsage
	}
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage // flag has printed the reason
	}
	selected, err := selectSteps(steps(), flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "dev:", err)
		return errUsage
	}
	c := &checker{options: opts, out: stdout}
	if c.root, err = c.output(ctx, "go", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return err
	}
	c.root = strings.TrimSpace(c.root)
	return c.check(ctx, selected)
}

// flags returns the flag set that fills o.
func (o *options) flags(stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("check", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.BoolVar(&o.keepGoing, "k", false, "go on with the next step after one that failed")
	f.BoolVar(&o.fresh, "fresh", false, "run every test anew, also those that passed on the same code")
	f.DurationVar(&o.fuzzTime, "fuzztime", defaultFuzzTime, "how long each fuzz target runs")
	f.DurationVar(&o.testTimeout, "timeout", defaultTestTimeout, "when the tests of one package count as stuck")
	return f
}
