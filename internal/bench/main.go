// Command bench compares the speed of targets on this machine, side by side.
//
//	go run ./internal/bench [flags] [NAME=PORT/IQN/LUN[@COMMAND] ...]
//
// It builds examples/target and measures it, with disks in memory and in a file, beside floors,
// responders that do nothing but answer, and beside Debian's tgtd if that is installed. Client and
// server are pinned to CPUs, and targets take turns in short measurements; tables have medians of
// ratios of measurements that were made right after each other, and what is aimed at. README.md
// explains the method. With -profile it makes profiles instead.
//
//	go run ./internal/bench isolation [flags]
//
// measures what a stuck store, an initiator that floods and changes of the LUN map cost others.
//
// An argument of the first form is a further target, on 127.0.0.1. With a COMMAND it is started for each
// repetition and ended after it, without one it is running already. What is on its disk is overwritten.
//
// All connections are on the loopback interface. What bench starts ends with it. The exit status
// is 0 if everything was measured, 1 if something failed, 2 for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command does what args say: the parts that bench runs as processes of their own, or the
// comparison.
func command(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case partFloor:
			return floorPart(ctx, args[1:])
		case partLoad:
			return loadPart(ctx, stdin, stdout)
		case partRig:
			return rigPart(ctx, args[1:])
		case commandIsolation:
			return isolate(ctx, args[1:], stdout, stderr)
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return compare(ctx, o, stdout, stderr)
}
