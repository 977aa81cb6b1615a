package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/goscst/goscst/fabric/iscsi"
)

// config is the command line.
type config struct {
	listen string
	iqn    string
	debug  string // "": no debug server
	luns   []lunSpec
	poll   time.Duration // iscsi.Options.BusyPoll
}

// parseFlags reads the command line. With -help it writes the usage to w and returns
// flag.ErrHelp.
func parseFlags(args []string, w io.Writer) (*config, error) {
	c := &config{listen: "127.0.0.1:3260", iqn: "iqn.2026-11.io.github.goscst:target"}
	f := flag.NewFlagSet("target", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the caller tells errors
	f.Usage = func() {}
	f.Func("listen", "`address` to serve iSCSI on (default "+c.listen+")", func(s string) error {
		c.listen = s
		return checkAddress(s)
	})
	f.Func("iqn", "`name` of the target (default "+c.iqn+")", func(s string) error {
		c.iqn = s
		if err := iscsi.CheckName(s); err != nil {
			return fmt.Errorf("an iSCSI name such as iqn.2026-11.com.example:disk is allowed: %w", err)
		}
		return nil
	})
	f.Func("lun", "`disk` to serve, mem:SIZE, file:PATH[:SIZE], uring:PATH[:SIZE], block:PATH or null:SIZE, with options after commas:\n"+
		"blocksize=512|4096 physexp=N ro removable thin=off wce=on|off direct arena=SIZE workers=N depth=N serial=TEXT;\n"+
		"may be repeated (default mem:64MiB)", func(s string) error {
		l, err := parseLUN(s)
		c.luns = append(c.luns, l)
		return err
	})
	f.Func("debug", "`address` for the HTTP debug server (default none)", func(s string) error {
		c.debug = s
		return checkAddress(s)
	})
	f.Func("busypoll", "`duration` to look for more commands before sleeping, such as 50us, at most 1ms (default 0)", func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > time.Millisecond {
			return errors.New("a duration from 0 to 1ms is allowed, such as 50us")
		}
		c.poll = d
		return nil
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(w)
			fmt.Fprintln(w, "Usage: target [flags]")
			f.PrintDefaults()
		}
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: only flags are allowed", f.Arg(0))
	}
	if len(c.luns) == 0 {
		l, err := parseLUN("mem:64MiB")
		if err != nil {
			return nil, err
		}
		c.luns = []lunSpec{l}
	}
	return c, nil
}

// checkAddress wants HOST:PORT with a numeric port; the host may be empty.
func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("HOST:PORT with a port from 0 to 65535 is allowed, such as 127.0.0.1:3260")
	}
	return nil
}
