package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

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
	refs     atomic.Int64  // commands that have not been freed, plus one until it is detached, plus queuedOne times those queued
	gone     bool          // guarded by set.mu: unmapped, no new commands
	released chan struct{} // closed when gone and refs is zero, after Detach

	prev, next *nexus // guarded by d.mu; in the device's list

	traffic counters

	uamu sync.Mutex
	ua   uaq.Queue // guarded by uamu
}

// The reasons for the slow path of admission.
const (
	gateUA       = 1 << iota // a unit attention is queued
	gateBlocked              // the device is blocked
	gateReadOnly             // mapped read-only
	gateSWP                  // software write protect
)

// attach makes the nexus of s and a mapping, in place of the one that is at the number,
// with a first unit attention to tell. It returns nil if the handler refuses the
// initiator: then the number does not exist for it.
func (s *Session) attach(lun uint16, m *mapping, first scsi.Sense) *nexus {
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
	if err := d.attach(&n.Nexus); err != nil {
		d.e.log.Info("handler refuses initiator", zap.String(keyDevice, d.name), zap.String(keyInitiator, s.in.Name), zap.Uint16(keyLUN, lun), zap.Error(err))
		return nil
	}
	n.ua.Add(first)
	// Under d.mu, so that a change of these states, which is told to all nexuses of the
	// device under d.mu too, is seen here or arrives there.
	d.mu.Lock()
	gate := uint32(gateUA)
	if m.readOnly {
		gate |= gateReadOnly
	}
	if d.control.Load().SWP {
		gate |= gateSWP
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

// replace puts the nexus of a mapping, which may be nil for none, in the place of the one
// at a number, if there is one. The caller retires that when it holds no lock.
func (s *Session) replace(lun uint16, m *mapping) (old, n *nexus) {
	old = s.lun(lun)
	first := s.first()
	if old != nil {
		first = scsi.InquiryDataChanged
	}
	if m != nil {
		n = s.attach(lun, m, first)
	}
	if n == nil && old != nil {
		s.setLUN(lun, nil)
	}
	return old, n
}

// queuedOne counts a command in nexus.refs whose result is not decided: they are what the
// queue depth bounds.
const queuedOne = 1 << 32

// queued is how many there are.
func (n *nexus) queued() int64 { return n.refs.Load() / queuedOne }

// is and owns choose a nexus, and its tasks.
func (n *nexus) is(x *nexus) bool  { return x == n }
func (n *nexus) owns(t *task) bool { return t.n == n }

// retire refuses new commands, ends an ACA of the nexus, since nobody could clear it
// any more, and drops the nexus's own reference.
func (n *nexus) retire() {
	n.set.mu.Lock()
	was := n.gone
	n.gone = true
	n.set.mu.Unlock()
	n.set.endACA(n)
	if !was {
		n.unref()
	}
}

// ref takes a reference unless the nexus is over.
func (n *nexus) ref() bool {
	for {
		have := n.refs.Load()
		if have == 0 {
			return false
		}
		if n.refs.CompareAndSwap(have, have+1) {
			return true
		}
	}
}

// unref drops a reference; the last one ends the nexus.
func (n *nexus) unref() {
	if n.refs.Add(-1) == 0 {
		n.s.t.e.spawn(n.release)
	}
}

// release tells the handler and whoever waits that the nexus is over. What it has counted
// stays with its device and its session.
func (n *nexus) release() {
	d, s := n.d, n.s
	d.detach(&n.Nexus)
	d.mu.Lock()
	d.unlink(n)
	n.traffic.addTo(&d.past, &d.pastLatency)
	d.mu.Unlock()
	s.lunmu.Lock()
	s.nexuses = slices.DeleteFunc(s.nexuses, n.is)
	n.traffic.addTo(&s.past, &s.pastLatency)
	s.lunmu.Unlock()
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
