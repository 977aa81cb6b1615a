package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/internal/uaq"
	"github.com/goscst/goscst/scsi"
)

// nexus is an I_T_L nexus: a session's view of one logical unit.
type nexus struct {
	scsi.Nexus
	s        *Session
	d        *Device
	set      *taskSet      // the device's, or its own if TST is 1
	gate     atomic.Uint32 // reasons why commands must take the slow path of admission
	refs     atomic.Int64  // commands that have not been freed, plus one until it is detached
	gone     bool          // guarded by set.mu: unmapped, no new commands
	queued   int           // guarded by set.mu: commands that have not ended
	released chan struct{} // closed when gone and refs is zero, after Detach

	prev, next *nexus // guarded by d.mu; in the device's list

	uamu sync.Mutex
	ua   uaq.Queue // guarded by uamu
}

// The reasons for the slow path of admission.
const (
	gateUA       = 1 << iota // a unit attention is queued
	gateBlocked              // the device is blocked
	gateReadOnly             // mapped read-only
	gateSWP                  // software write protect
	gateOffline              // the handler has panicked
)

// attach makes the nexus of s and a mapping, and lets it be found. It returns nil if
// the handler refuses the initiator: then the number does not exist for it.
func (s *Session) attach(lun uint16, m *mapping) *nexus {
	d := m.d
	n := &nexus{
		Nexus: scsi.Nexus{
			Initiator: s.in.Name, TransportID: s.in.TransportID, Target: s.t.name,
			Port: s.t.port, LUN: lun, ReadOnly: m.readOnly,
		},
		s: s, d: d, set: d.shared, released: make(chan struct{}),
	}
	if n.set == nil {
		n.set = newTaskSet()
	}
	n.refs.Store(1)
	if d.attacher != nil {
		if err := d.attacher.Attach(&n.Nexus); err != nil {
			return nil
		}
	}
	first := scsi.PowerOnOccurred
	if s.in.NexusLost {
		first = scsi.NexusLoss
	}
	n.ua.Add(first)
	// Under d.mu, so that a change of these states, which is stored first and then told
	// to all nexuses of the device, is seen here or arrives there.
	d.mu.Lock()
	gate := uint32(gateUA)
	if m.readOnly {
		gate |= gateReadOnly
	}
	if d.control.Load().SWP {
		gate |= gateSWP
	}
	if d.offline.Load() {
		gate |= gateOffline
	}
	if d.blocks > 0 {
		gate |= gateBlocked
	}
	n.gate.Store(gate)
	d.link(n)
	d.mu.Unlock()
	s.lunmu.Lock()
	s.nexuses = append(s.nexuses, n)
	s.lunmu.Unlock()
	s.setLUN(lun, n)
	return n
}

// detach takes the nexus at lun out of the session's reach; the caller retires it when
// it holds no lock. It returns nil if there is none.
func (s *Session) detach(lun uint16) *nexus {
	n := s.lun(lun)
	if n != nil {
		s.setLUN(lun, nil)
	}
	return n
}

// retire refuses new commands, ends an ACA of the nexus, since nobody could clear it
// any more, and drops the nexus's own reference.
func (n *nexus) retire() {
	n.set.mu.Lock()
	was := n.gone
	n.gone = true
	faulted := n.set.faulted == n
	if faulted {
		n.set.endACA()
		n.set.update()
	}
	n.set.mu.Unlock()
	if faulted {
		n.set.run()
	}
	if !was {
		n.unref()
	}
}

// unref drops a reference; the last one ends the nexus.
func (n *nexus) unref() {
	if n.refs.Add(-1) == 0 {
		n.s.t.e.spawn(n.release)
	}
}

// release tells the handler and whoever waits that the nexus is over.
func (n *nexus) release() {
	if n.d.attacher != nil {
		n.d.attacher.Detach(&n.Nexus)
	}
	n.d.mu.Lock()
	n.d.unlink(n)
	n.d.mu.Unlock()
	n.s.lunmu.Lock()
	n.s.nexuses = slices.DeleteFunc(n.s.nexuses, func(x *nexus) bool { return x == n })
	n.s.lunmu.Unlock()
	close(n.released)
}

// wait waits for the nexus to be over.
func (n *nexus) wait(ctx context.Context) error {
	select {
	case <-n.released:
		return nil
	default:
	}
	select {
	case <-n.released:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("engine: LUN %d of %q: commands are still running: %w", n.LUN, n.Initiator, ctx.Err())
	}
}

// setGate sets or clears a reason for the slow path.
func (n *nexus) setGate(bit uint32, on bool) {
	if on {
		n.gate.Or(bit)
	} else {
		n.gate.And(^bit)
	}
}

// gateAll does it for every nexus of the device, and for those to come the cause is
// looked at in attach.
func (d *Device) gateAll(bit uint32, on bool) {
	d.each(func(n *nexus) { n.setGate(bit, on) })
}
