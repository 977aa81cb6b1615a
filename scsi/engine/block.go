package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// waiter waits for tasks to end: those of a task management function, or those that
// run when a device is blocked. It starts with one count, which whoever makes it drops
// when all tasks are counted.
type waiter struct {
	left   atomic.Int64
	parked bool   // a task that is parked counts as ended
	then   func() // called once, by whoever drops the last count, without locks
}

func newWaiter(parked bool, then func()) *waiter {
	w := &waiter{parked: parked, then: then}
	w.left.Store(1)
	return w
}

func (w *waiter) done() {
	if w.left.Add(-1) == 0 {
		w.then()
	}
}

// doneAll is done for each of a list.
func doneAll(list []*waiter) {
	defer func() {
		if len(list) > 0 { // a handler has ended the goroutine
			doneAll(list)
		}
	}()
	for len(list) > 0 {
		w := list[0]
		list = list[1:]
		w.done()
	}
}

// Block keeps commands from reaching the handler and waits until none runs there: for
// a snapshot, a hand-over, or a change of the store. New commands of the device wait,
// REPORT LUNS excepted, and the initiators with them, so unblock soon. Task management
// goes on, and so does everything else. Blocks nest; each unblock function counts once.
// When ctx is done first, Block returns an error, and nothing stays blocked. It must not
// be called from a method of the handler.
func (d *Device) Block(ctx context.Context) (unblock func(), err error) {
	d.block()
	idle := make(chan struct{})
	w := newWaiter(true, func() { close(idle) })
	d.eachSet(func(s *taskSet) {
		s.mu.Lock()
		for e := range s.m.All {
			t := e.Task
			switch t.status.state() {
			case StateExec, StateLaneWait:
				w.left.Add(1)
				t.waiters = append(t.waiters, w)
			}
		}
		s.mu.Unlock()
	})
	w.done()
	var once sync.Once
	unblock = func() { once.Do(d.unblock) }
	if err := await(ctx, idle); err != nil {
		unblock()
		return nil, fmt.Errorf("engine: device %q: commands are still running: %w", d.name, err)
	}
	return unblock, nil
}

// block shuts the gate for new commands.
func (d *Device) block() {
	d.mu.Lock()
	d.blocks++
	for n := range d.nexuses.all {
		n.setGate(gateBlocked, true)
	}
	d.mu.Unlock()
}

// unblock opens it again when nobody else keeps it shut, and lets the parked go on.
func (d *Device) unblock() {
	d.mu.Lock()
	d.blocks--
	open := d.blocks == 0
	if open {
		for n := range d.nexuses.all {
			n.setGate(gateBlocked, false)
		}
	}
	d.mu.Unlock()
	if !open {
		return
	}
	d.eachSet((*taskSet).unpark)
}

// eachSet calls f for every task set of the device, without locks.
func (d *Device) eachSet(f func(*taskSet)) {
	if d.shared != nil {
		f(d.shared)
		return
	}
	d.each(func(n *nexus) { f(n.set) })
}
