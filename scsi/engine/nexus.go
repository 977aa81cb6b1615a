package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/goscst/goscst/internal/lane"
	"github.com/goscst/goscst/internal/uaq"
	"github.com/goscst/goscst/scsi"
)

// nexus is an I_T_L nexus: a session's view of one logical unit.
type nexus struct {
	// What a command looks at comes first; see Device.
	s       *Session
	d       *Device
	set     *taskSet      // the device's, or its own if TST is 1
	gate    atomic.Uint32 // reasons why commands must take the slow path of admission
	entered int64         // guarded by set.mu: commands that have come; with gone it does not change any more
	gone    bool          // guarded by set.mu: unmapped, no new commands
	decided atomic.Int64  // commands whose result is decided

	users int64 // guarded by s.mu: functions that hold it, less the commands that have ended; see retire
	final bool  // guarded by s.mu: users has entered added, so that it is over when that is zero

	traffic counters // guarded by s.mu
	own     taskSet  // set, if TST is 1

	scsi.Nexus
	released chan struct{} // closed when it is over, after Detach

	flow lane.Flow // its commands that wait for a worker of the device

	ofDevice  nexusLinks // guarded by d.mu
	ofSession nexusLinks // guarded by s.lunmu
	ofGroup   nexusLinks // guarded by left.mu
	left      *Group     // whose initiator cannot reach it any more; set before it is retired

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

// attach makes the nexus of s and a mapping, with a first unit attention to tell; the caller
// puts it into the session's table. It returns nil if the handler refuses the initiator:
// then the number does not exist for it.
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
		n.set = n.own.init()
	}
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
	d.nexuses.add(n, &n.ofDevice)
	d.mu.Unlock()
	s.lunmu.Lock()
	s.nexuses.add(n, &n.ofSession)
	s.lunmu.Unlock()
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
	if n != nil || old != nil {
		s.setLUN(lun, n)
	}
	if n != nil && old != nil {
		old.bequeath(n)
	}
	return old, n
}

// queued is how many commands there are whose result is not decided, which is what the
// queue depth bounds; set.mu is held.
func (n *nexus) queued() int64 { return n.entered - n.decided.Load() }

// is and owns choose a nexus, and its tasks.
func (n *nexus) is(x *nexus) bool  { return x == n }
func (n *nexus) owns(t *task) bool { return t.n == n }

// awaitAll waits for nexuses to be over.
func awaitAll(ctx context.Context, list []*nexus) error {
	for _, n := range list {
		if err := n.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// retire refuses new commands, ends an ACA of the nexus, since nobody could clear it
// any more, and lets the nexus be over when the last user is gone.
func (n *nexus) retire() {
	n.set.mu.Lock()
	was := n.gone
	n.gone = true
	commands := n.entered
	n.set.mu.Unlock()
	n.set.endACA(n)
	if was {
		return
	}
	n.s.mu.Lock()
	n.final = true
	n.users += commands
	over := n.over()
	n.s.mu.Unlock()
	if over {
		n.s.t.e.spawn(n.release)
	}
}

// over reports whether nobody uses the nexus any more nor will; s.mu is held. Whoever makes
// that true calls release.
func (n *nexus) over() bool { return n.final && n.users == 0 }

// ref makes the caller a user, unless the nexus is over.
func (n *nexus) ref() bool {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if n.over() {
		return false
	}
	n.users++
	return true
}

// unref is the end of what ref began.
func (n *nexus) unref() {
	n.s.mu.Lock()
	n.users--
	over := n.over()
	n.s.mu.Unlock()
	if over {
		n.s.t.e.spawn(n.release)
	}
}

// release tells the handler and whoever waits that the nexus is over. What it has counted
// stays with its device and its session.
func (n *nexus) release() {
	d, s := n.d, n.s
	d.detach(&n.Nexus)
	d.mu.Lock()
	d.nexuses.remove(&n.ofDevice)
	n.count(&d.past, made(&d.pastLatency))
	d.mu.Unlock()
	s.lunmu.Lock()
	s.nexuses.remove(&n.ofSession)
	n.count(&s.past, made(&s.pastLatency))
	s.lunmu.Unlock()
	n.left.mu.Lock()
	n.left.leaving.remove(&n.ofGroup)
	n.left.mu.Unlock()
	close(n.released)
}

// wait waits for the nexus to be over.
func (n *nexus) wait(ctx context.Context) error {
	if err := await(ctx, n.released); err != nil {
		return fmt.Errorf("engine: LUN %d of %q: commands are still running: %w", n.LUN, n.Initiator, err)
	}
	return nil
}

// setGate sets or clears a reason for the slow path.
func (n *nexus) setGate(bit uint32, on bool) {
	if on {
		n.gate.Or(bit)
	} else {
		n.gate.And(^bit)
	}
}
