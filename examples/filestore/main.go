package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

const size = 64 << 20 // bytes

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: filestore FILE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], "127.0.0.1:3260", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "filestore:", err)
		os.Exit(1)
	}
}

// run serves the file name at address until ctx is done.
func run(ctx context.Context, name, address string, out io.Writer) (err error) {
	eng := engine.New(nil)
	defer func() { err = errors.Join(err, eng.Close()) }() // which closes the store
	if err := export(eng, name); err != nil {
		return err
	}
	srv := &iscsi.Server{Engine: eng}
	defer func() { err = errors.Join(err, srv.Close()) }()
	addr, err := srv.Listen(address)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "serving %s at %v\n", name, addr)
	<-ctx.Done()
	return nil
}

// export makes a target with one LUN of the file name.
func export(eng *engine.Engine, name string) error {
	store, err := Open(name, size)
	if err != nil {
		return err
	}
	dev, err := eng.AddDevice("disk0", disk.New(store, nil), nil)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	tgt, err := eng.AddTarget("iqn.2026-11.com.example:filestore", nil)
	if err != nil {
		return err
	}
	if err := tgt.Map(0, dev, nil); err != nil {
		return err
	}
	tgt.Enable()
	return nil
}
