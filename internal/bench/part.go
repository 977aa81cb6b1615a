package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/goscst/goscst/internal/bench/floor"
	"github.com/goscst/goscst/internal/bench/load"
	"github.com/goscst/goscst/internal/bench/wire"
)

// First arguments by which bench runs itself as a part, pinned to a CPU.
const (
	partFloor = "part-floor" // ADDRESS BYTES: answers there, from a disk of that size unless it is 0, until it is killed
	partLoad  = "part-load"  // makes the load of standard input, writes the outcome to standard output
)

func floorPart(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("the floor needs an address and a size")
	}
	disk, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("the floor's size: %w", err)
	}
	wire.Alone(load.MaxConns)
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	return floor.Serve(ctx, l, floor.Options{Alone: true, Disk: disk})
}

// outcome is what a load came to, as JSON.
type outcome struct {
	Result *load.Result
	Failed string // why there is no result
}

func loadPart(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var c load.Config
	if err := json.NewDecoder(stdin).Decode(&c); err != nil {
		return fmt.Errorf("read the load: %w", err)
	}
	c.Alone = true
	wire.Alone(load.MaxConns)
	var o outcome
	r, err := load.Run(ctx, c)
	if err != nil {
		o.Failed = err.Error()
	}
	o.Result = r
	return json.NewEncoder(stdout).Encode(o)
}
