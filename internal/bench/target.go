package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/wire"
)

// iqn is the name of the targets that bench configures.
const iqn = "iqn.2026-11.io.github.goscst:bench"

// target is what is measured.
type target struct {
	name string
	iqn  string
	lun  uint8

	// start runs it at a place and a port; it is ready to log in when start returns. nil: it runs.
	start func(ctx context.Context, w where, port int) (*process, error)
	port  int // if it runs

	builtin bool
	flags   []string // of our target; nil: it is another
	luns    int      // logical units, if there are many

	prefill bool // its disk is to be written and read once after each start
	filled  bool // that is done for one that runs
}

// lab is what targets are started from.
type lab struct {
	dir   string // temporary files
	self  string // this program
	ours  string // the program of examples/target
	image string // a file in memory, written once
	size  int64  // of image and of other disks
}

// setUp builds and writes what the options need. End is to be called also if it fails.
func setUp(ctx context.Context, o *options) (l *lab, err error) {
	l = &lab{size: o.size}
	if l.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return l, err
	}
	if l.self, err = os.Executable(); err != nil {
		return l, err
	}
	var ours, image bool
	for _, t := range l.targets(o) { // as if there were an image already
		ours = ours || t.flags != nil
		image = image || t.name == nameTgtd || strings.Contains(strings.Join(t.flags, " "), imageMark)
	}
	if ours {
		if err := l.build(ctx); err != nil {
			return l, err
		}
	}
	if image {
		return l, l.writeImage(ctx)
	}
	return l, nil
}

// end removes what setUp made.
func (l *lab) end() {
	if l.image != "" {
		_ = os.Remove(l.image)
	}
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}

// buildLimit bounds how long the compiler may take.
const buildLimit = 10 * time.Minute

// build builds our target.
func (l *lab) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	l.ours = filepath.Join(l.dir, "target")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", l.ours, "github.com/goscst/goscst/examples/target")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build examples/target: %w\n%s", err, out)
	}
	return nil
}

// writeImage writes a file that lies in memory, where the system has a place for such.
func (l *lab) writeImage(ctx context.Context) error {
	dir := "/dev/shm"
	if s, err := os.Stat(dir); err != nil || !s.IsDir() {
		dir = l.dir
	}
	f, err := os.CreateTemp(dir, "bench-*.img")
	if err != nil {
		return err
	}
	l.image = f.Name()
	block := []byte(strings.Repeat("goscst\n.", 1<<17)) // 1 MiB
	for n := int64(0); n < l.size && err == nil; n += int64(len(block)) {
		if err = ctx.Err(); err == nil {
			_, err = f.Write(block)
		}
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("write a disk image of %d MiB: %w", l.size>>20, err)
	}
	return nil
}

// targets returns what the options ask for and some row measures, in the order of the table.
func (l *lab) targets(o *options) []*target {
	mem := fmt.Sprintf("mem:%dMiB,depth=1024", l.size>>20)
	var list []*target
	for _, name := range o.builtin {
		t := &target{name: name, iqn: iqn, builtin: true}
		switch name {
		case nameFloor:
			t.start = l.startFloor(0)
		case nameFloorDisk:
			t.start = l.startFloor((l.size + wire.HugePage - 1) / wire.HugePage * wire.HugePage)
		case nameTgtd:
			t.start, t.lun = l.startTgtd, 1
		case nameMem:
			t.flags, t.prefill = []string{"-lun", mem}, o.prefill
		case namePoll:
			t.flags, t.prefill = []string{"-lun", mem, "-busypoll", "50us"}, o.prefill
		case nameFile:
			t.flags, t.prefill = []string{"-lun", "file:" + imageMark}, o.prefill
		case nameOneLUN:
			t.flags = []string{"-lun", "null:1GiB"}
		case nameManyLUNs:
			t.luns = manyLUNs
			for range manyLUNs {
				t.flags = append(t.flags, "-lun", "null:1GiB")
			}
		}
		list = append(list, t)
	}
	for _, v := range o.variants {
		list = append(list, &target{name: v.name, iqn: iqn, flags: v.flags, prefill: o.prefill})
	}
	for _, t := range list {
		if t.flags != nil {
			t.start = l.startOurs(t.flags...)
		}
	}
	for _, e := range o.extra {
		t := &target{name: e.name, iqn: e.iqn, lun: e.lun, port: e.port, prefill: o.prefill}
		if len(e.command) > 0 {
			t.start = func(ctx context.Context, w where, _ int) (*process, error) {
				p, err := start(w, nil, e.command[0], e.command[1:]...)
				return ready(ctx, p, e.port, err)
			}
		}
		list = append(list, t)
	}
	return slices.DeleteFunc(list, func(t *target) bool {
		return !slices.ContainsFunc(o.rows, func(r row) bool { return r.workload.measures(t) })
	})
}

// imageMark stands for the path of the image in the flags of our target.
const imageMark = "{image}"

// startFloor returns a function that starts a floor with a disk of that many bytes, or without one.
func (l *lab) startFloor(disk int64) func(context.Context, where, int) (*process, error) {
	return func(ctx context.Context, w where, port int) (*process, error) {
		p, err := start(w, nil, l.self, partFloor, loopback(port), strconv.FormatInt(disk, 10))
		return ready(ctx, p, port, err)
	}
}

// startOurs returns a function that starts our target with the flags. It counts its collections of
// garbage.
func (l *lab) startOurs(flags ...string) func(context.Context, where, int) (*process, error) {
	return func(ctx context.Context, w where, port int) (*process, error) {
		var args []string
		for _, f := range flags {
			args = append(args, strings.ReplaceAll(f, imageMark, l.image))
		}
		args = append(args, "-listen", loopback(port), "-iqn", iqn)
		trace := "gctrace=1"
		if old := os.Getenv("GODEBUG"); old != "" {
			trace = old + "," + trace
		}
		p, err := start(w, []string{"GODEBUG=" + trace}, l.ours, args...)
		return ready(ctx, p, port, err)
	}
}

// ready waits until p, which was started with the error err, listens. It kills one that does not.
func ready(ctx context.Context, p *process, port int, err error) (*process, error) {
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, port); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}
