package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// partRig is the first argument by which bench runs itself as the target of the isolation
// measurements: ADDRESS, and CHANGES of its LUN map in a second.
const partRig = "part-rig"

// The logical units of the rig.
const (
	rigVictim = iota // memory
	rigFlood         // memory, for others
	rigStuck         // each read is stuck
	rigSlow          // a read takes rigDelay to rigDelay+7ms, by its place, on one of the device's workers
	rigChange        // and the rigChanging numbers from here on: change all the time
)

const (
	rigSize     = 32 << 20
	rigDelay    = 4 * time.Millisecond
	rigChanging = 8
)

// rigPart serves until ctx is done.
func rigPart(ctx context.Context, args []string) (err error) {
	if len(args) != 2 {
		return errors.New("the rig needs an address and a number of changes in a second")
	}
	changes, err := strconv.Atoi(args[1])
	if err != nil || changes < 0 || changes > 100_000 {
		return fmt.Errorf("%q changes in a second: 0 to 100000 are allowed", args[1])
	}
	r := &rig{engine: engine.New(nil)}
	srv := &iscsi.Server{Engine: r.engine}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		err = errors.Join(err, srv.Close())
		for _, s := range r.faults {
			s.SetRules()
			s.Release(-1)
		}
		err = errors.Join(err, r.engine.Shutdown(end))
	}()
	if err := r.build(); err != nil {
		return err
	}
	r.target.Enable()
	if _, err := srv.Listen(args[0]); err != nil {
		return err
	}
	return r.change(ctx, changes)
}

// rig is an engine with good and bad logical units.
type rig struct {
	engine *engine.Engine
	target *engine.Target
	faults []*faultstore.Store
	spare  [2]*engine.Device // what the changing numbers are mapped to
}

func (r *rig) build() (err error) {
	if r.target, err = r.engine.AddTarget(iqn, nil); err != nil {
		return err
	}
	stuck := faultstore.Rule{Ops: faultstore.OpRead, Stick: true}
	var slow []faultstore.Rule
	for i := range int64(8) {
		slow = append(slow, faultstore.Rule{
			Ops: faultstore.OpRead, Range: backstore.Extent{Off: i * rigSize / 8, Len: rigSize / 8},
			Delay: rigDelay + time.Duration(i)*time.Millisecond,
		})
	}
	for lun, store := range []backstore.Backstore{
		rigVictim: mem.New(rigSize), rigFlood: mem.New(rigSize), rigStuck: r.fault(stuck), rigSlow: r.fault(slow...),
	} {
		d, err := r.engine.AddDevice(fmt.Sprint("lun", lun), disk.New(store, nil), nil)
		if err != nil {
			return err
		}
		if err := r.target.Map(uint16(lun), d, nil); err != nil {
			return err
		}
	}
	for i := range r.spare {
		if r.spare[i], err = r.engine.AddDevice(fmt.Sprint("spare", i), disk.New(mem.New(rigSize), nil), nil); err != nil {
			return err
		}
	}
	return nil
}

// fault makes a store of memory that obeys the rules.
func (r *rig) fault(rules ...faultstore.Rule) backstore.Backstore {
	s := faultstore.New(mem.New(rigSize), &faultstore.Options{Rules: rules})
	r.faults = append(r.faults, s)
	return s
}

// change adds, replaces and removes logical units, and every tenth time a device, until ctx is
// done: so many changes in a second, evenly spread.
func (r *rig) change(ctx context.Context, perSecond int) error {
	if perSecond == 0 {
		<-ctx.Done()
		return nil
	}
	group := r.target.Group("")
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		lun := uint16(rigChange + n/3%rigChanging)
		var err error
		switch n % 3 {
		case 0:
			err = group.Map(lun, r.spare[0], nil)
		case 1:
			err = group.Replace(context.Background(), lun, r.spare[1], nil)
		case 2:
			err = group.Unmap(context.Background(), lun)
		}
		if err == nil && n%10 == 0 {
			err = r.come(n)
		}
		if err != nil {
			return err
		}
	}
}

// come adds a device and removes it.
func (r *rig) come(n int) error {
	d, err := r.engine.AddDevice(fmt.Sprint("passing", n), disk.New(mem.New(rigSize), nil), nil)
	if err != nil {
		return err
	}
	return d.Remove(context.Background())
}
