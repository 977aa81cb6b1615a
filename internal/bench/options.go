package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errUsage is returned for arguments that make no sense; the reason is printed already.
var errUsage = errors.New("wrong arguments")

// options are the command line.
type options struct {
	repetitions int
	duration    time.Duration // of one measurement
	rows        []row
	builtin     []string // targets of bench's own
	variants    []variant
	extra       []extra
	size        int64 // bytes of our disks and tgtd's
	prefill     bool
	nice        int    // of what is measured, -20 to 19
	profile     string // folder for profiles, which are made in place of a comparison; "": none
	last        bool   // clients give way to everybody
}

// mode says where client and server run.
type mode struct {
	name           string
	client, server int // CPUs
}

// variant is our target with other flags.
type variant struct {
	name  string
	flags []string
}

// extra is another target on this machine.
type extra struct {
	name    string
	port    int
	iqn     string
	lun     uint8
	command []string // none: it is running
}

// Names of targets that bench knows by itself.
const (
	nameFloor     = "floor"
	nameFloorDisk = "floor-disk"
	nameTgtd      = "tgtd"
	nameMem       = "mem"
	namePoll      = "poll"
	nameFile      = "file"
	nameOneLUN    = "luns-1"
	nameManyLUNs  = "luns-16384"
)

// builtins returns them, in the order of the table.
func builtins() []string {
	return []string{nameFloor, nameFloorDisk, nameTgtd, nameMem, namePoll, nameFile, nameOneLUN, nameManyLUNs}
}

// Names of modes.
const (
	modeSplit = "split"
	modeOne   = "one"
)

// Defaults of flags.
const (
	defaultReps    = 12
	defaultSeconds = 0.4
	profileSeconds = 5 // with -profile
)

// parse reads the command line. It prints what is wrong with it, or the usage, to stderr.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	var seconds float64
	var modes, loads, targets, cpus string
	var mib int64
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.repetitions, "n", defaultReps, "`repetitions` of each measurement; the tables have medians")
	f.Float64Var(&seconds, "s", defaultSeconds, "`seconds` of each measurement; the default is 5 with -profile")
	f.StringVar(&modes, "m", "split,one", "`modes`: split, client and server on a CPU each; one, both on one")
	f.StringVar(&loads, "w", "", "`workloads` (default all, in mode one only 4k-read-q32): "+strings.Join(names(workloads()), ","))
	f.StringVar(&targets, "t", "", "`targets` (default all, tgtd if it is installed) of "+strings.Join(builtins(), ",")+", or none")
	f.StringVar(&cpus, "cpus", "0,1", "`CPUs` of client and server")
	f.Int64Var(&mib, "size", 1024, "`MiB` of each disk")
	f.BoolVar(&o.prefill, "prefill", true, "write and read all of a disk once before it is measured")
	f.IntVar(&o.nice, "nice", 0, "`niceness` of clients and servers; less than 0 keeps other programs off their CPUs, and takes root")
	f.StringVar(&o.profile, "profile", "", "`folder` for profiles: make one of each target in each row, in place of the comparison")
	f.Func("variant", "`NAME=FLAGS`: examples/target with these flags as a further target, whose LUN 0 is measured;\n"+
		"may be repeated", func(s string) error {
		name, flags, _ := strings.Cut(s, "=")
		if name == "" || flags == "" {
			return errors.New("NAME=FLAGS is allowed")
		}
		o.variants = append(o.variants, variant{name, strings.Fields(flags)})
		return nil
	})
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: bench [flags] [NAME=PORT/IQN/LUN[@COMMAND] ...]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage // flag has printed the reason
	}
	set := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if o.profile != "" && !set["s"] {
		seconds = profileSeconds
	}
	err := o.set(seconds, modes, loads, targets, cpus, mib)
	for _, arg := range f.Args() {
		if err == nil {
			err = o.addExtra(arg)
		}
	}
	if err == nil {
		err = o.checkNames()
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return nil, errUsage
	}
	return o, nil
}

func names(list []workload) []string {
	var n []string
	for _, w := range list {
		n = append(n, w.name)
	}
	return n
}

// set checks and takes over the values of flags.
func (o *options) set(seconds float64, modes, loads, targets, cpus string, mib int64) (err error) {
	if o.repetitions < 1 || o.repetitions > 1000 {
		return fmt.Errorf("-n %d: 1 to 1000 is allowed", o.repetitions)
	}
	if !(seconds >= 0.01 && seconds <= 3600) {
		return fmt.Errorf("-s %v: 0.01 to 3600 is allowed", seconds)
	}
	o.duration = time.Duration(seconds * float64(time.Second))
	if mib < 2 || mib > 1<<20 {
		return fmt.Errorf("-size %d: 2 to %d is allowed", mib, 1<<20)
	}
	o.size = mib << 20
	if o.nice < -20 || o.nice > 19 {
		return fmt.Errorf("-nice %d: -20 to 19 is allowed", o.nice)
	}
	a, b, _ := strings.Cut(cpus, ",")
	client, err1 := strconv.ParseUint(a, 10, 10)
	server, err2 := strconv.ParseUint(b, 10, 10)
	if err1 != nil || err2 != nil || client == server {
		return fmt.Errorf("-cpus %q: two different numbers are allowed, such as 0,1", cpus)
	}
	all := []mode{{modeSplit, int(client), int(server)}, {modeOne, int(server), int(server)}}
	selected, err := selectNamed(all, func(m mode) string { return m.name }, modes)
	if err != nil {
		return fmt.Errorf("-m %w", err)
	}
	list, err := selectNamed(workloads(), func(w workload) string { return w.name }, loads)
	if err != nil {
		return fmt.Errorf("-w %w", err)
	}
	for _, m := range selected {
		for _, w := range list {
			if loads != "" || m.name == modeSplit || w.one {
				o.rows = append(o.rows, row{m, w})
			}
		}
	}
	builtin := builtins()
	if targets == "" && !installed("tgtd", "tgtadm") {
		builtin = slices.DeleteFunc(builtin, func(s string) bool { return s == nameTgtd })
	}
	if targets == "none" {
		return nil
	}
	if o.builtin, err = selectNamed(builtin, func(s string) string { return s }, targets); err != nil {
		return fmt.Errorf("-t %w, none", err)
	}
	return nil
}

// addExtra reads NAME=PORT/IQN/LUN[@COMMAND].
func (o *options) addExtra(arg string) error {
	name, rest, _ := strings.Cut(arg, "=")
	where, command, started := strings.Cut(rest, "@")
	part := strings.Split(where, "/")
	if name == "" || len(part) != 3 || part[1] == "" || started && strings.TrimSpace(command) == "" {
		return fmt.Errorf("%q: NAME=PORT/IQN/LUN or NAME=PORT/IQN/LUN@COMMAND is allowed", arg)
	}
	port, err := strconv.ParseUint(part[0], 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("%q: port %q: 1 to 65535 is allowed", arg, part[0])
	}
	lun, err := strconv.ParseUint(part[2], 10, 8)
	if err != nil {
		return fmt.Errorf("%q: LUN %q: 0 to 255 is allowed", arg, part[2])
	}
	o.extra = append(o.extra, extra{name, int(port), part[1], uint8(lun), strings.Fields(command)})
	return nil
}

// checkNames wants at least one target, and no name twice.
func (o *options) checkNames() error {
	all := o.builtin
	for _, v := range o.variants {
		all = append(all[:len(all):len(all)], v.name)
	}
	for _, e := range o.extra {
		all = append(all[:len(all):len(all)], e.name)
	}
	if len(all) == 0 {
		return errors.New("no target")
	}
	seen := make(map[string]bool)
	for _, name := range all {
		if seen[name] {
			return fmt.Errorf("two targets are called %q", name)
		}
		seen[name] = true
	}
	return nil
}
