package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Session is an I_T nexus: an initiator logged in to a target. Its methods do not
// block and may be called from any goroutine; commands are processed in the order in
// which Submit is called.
type Session struct {
	t      *Target
	in     fabric.Initiator
	ep     fabric.Endpoint
	abort  fabric.Aborter
	bufs   fabric.BufferProvider
	events fabric.Eventer
	id     uint64
	opened time.Time
	limit  *sgv.Limit

	group       atomic.Pointer[Group]
	luns        atomic.Pointer[lunTable[*nexus]] // replaced under lunmu
	lunmu       sync.Mutex
	nexuses     []*nexus    // guarded by lunmu; those in luns, and those that were, until their last command has ended
	pendingLUNs atomic.Bool // REPORTED LUNS DATA HAS CHANGED waits to be told
	closing     atomic.Bool
	tasksLive   atomic.Int32 // task management functions in progress
	gone        chan struct{}

	commands, errors  atomic.Uint64
	bytesIn, bytesOut atomic.Uint64

	mu   sync.Mutex
	free *task   // guarded by mu
	all  []*task // guarded by mu; every command that was made
	live int     // guarded by mu; commands between NewCommand and their end
	idle chan struct{}
}

func newSession(t *Target, in fabric.Initiator, ep fabric.Endpoint) *Session {
	s := &Session{t: t, in: in, ep: ep, opened: time.Now(), limit: t.e.limit, gone: make(chan struct{})}
	s.abort, _ = ep.(fabric.Aborter)
	s.bufs, _ = ep.(fabric.BufferProvider)
	s.events, _ = ep.(fabric.Eventer)
	s.luns.Store(&lunTable[*nexus]{})
	return s
}

// NewCommand returns a command for the transport to fill in and to Submit; never nil.
// Its Driver field is what the transport left there when the command was used before.
func (s *Session) NewCommand() *scsi.Command {
	s.mu.Lock()
	t := s.free
	if t == nil {
		t = newTask(s)
		s.all = append(s.all, t)
	} else {
		s.free = t.next
		t.next = nil
	}
	s.live++
	t.state.Store(uint32(StateInit))
	s.mu.Unlock()
	t.Request = scsi.Request{}
	return &t.Command
}

// Submit starts a command. It runs as far as it can on the caller's goroutine: the
// answer may be asked for, by Endpoint.Respond, before Submit returns.
func (s *Session) Submit(c *scsi.Command) { taskOf(c).submit() }

// QueueLimit is how many commands the transport should let in at once: the window of
// an iSCSI session. It is the largest queue depth among the session's devices.
func (s *Session) QueueLimit() int {
	n := 0
	s.luns.Load().each(func(_ uint16, x *nexus) { n = max(n, x.d.depth) })
	if n == 0 {
		n = defaultDepth
	}
	return n
}

// Close ends the session: its commands are aborted, and when the last one has ended,
// Endpoint.Closed is called with reason. Only the first call counts.
func (s *Session) Close(reason error) {
	if s.closing.Swap(true) {
		return
	}
	if reason == nil {
		reason = ErrSessionClosed
	}
	s.t.e.spawn(func() { s.end(reason) })
}

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.gone }

// end is the rest of Close.
func (s *Session) end(reason error) {
	if g := s.group.Load(); g != nil {
		g.leave(s)
	}
	s.abortAll(scsi.NexusReset)
	<-s.drained()
	s.lunmu.Lock()
	s.luns.Store(&lunTable[*nexus]{})
	s.lunmu.Unlock()
	for _, n := range s.nexusList() {
		n.retire()
		<-n.released
	}
	s.t.forget(s)
	s.t.e.log.Info("session closed", zap.String(keyTarget, s.t.name), zap.String(keyInitiator, s.in.Name), zap.NamedError(keyReason, reason))
	if f := s.t.e.events.SessionClosed; f != nil {
		f(s.Info(), reason)
	}
	s.ep.Closed(reason)
	close(s.gone)
}

// drained is closed when no command and no task management function is left.
func (s *Session) drained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(chan struct{})
		s.checkIdle()
	}
	return s.idle
}

// checkIdle tells end that nothing is left; s.mu is held.
func (s *Session) checkIdle() {
	if s.idle != nil && s.live == 0 && s.tasksLive.Load() == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// recycle takes a command back.
func (s *Session) recycle(t *task) {
	s.mu.Lock()
	t.state.Store(uint32(StateFree))
	t.next = s.free
	s.free = t
	s.live--
	s.checkIdle()
	s.mu.Unlock()
}

// drop forgets a command that must not be used again.
func (s *Session) drop(t *task) {
	s.mu.Lock()
	for i, x := range s.all {
		if x == t {
			s.all[i] = s.all[len(s.all)-1]
			s.all = s.all[:len(s.all)-1]
			break
		}
	}
	s.live--
	s.checkIdle()
	s.mu.Unlock()
}

// lun finds the logical unit at a number; nil if there is none.
func (s *Session) lun(n uint16) *nexus { return s.luns.Load().get(n) }

func (s *Session) setLUN(lun uint16, n *nexus) {
	s.lunmu.Lock()
	t := s.luns.Load().with(lun, n)
	s.luns.Store(&t)
	s.lunmu.Unlock()
}

// lunsChanged tells the initiator that its LUN map has changed.
func (s *Session) lunsChanged() {
	s.pendingLUNs.Store(true)
	s.event(fabric.Event{Sense: scsi.ReportedLUNsChanged})
}

func (s *Session) event(e fabric.Event) {
	if s.events != nil && !s.closing.Load() {
		_ = s.events.Event(e) // the unit attention tells what this could not
	}
}

// moveTo makes g the session's group. Logical units that are the same device, mapped
// the same way at the same number, stay as they are.
func (s *Session) moveTo(g *Group) {
	from := s.group.Load()
	if from == g || from == nil || s.closing.Load() {
		return
	}
	from.leave(s)
	gone, changed := s.adopt(g)
	for _, n := range gone {
		n.retire()
	}
	if changed {
		s.lunsChanged()
	}
}

// adopt is moveTo up to what happens under the lock; it returns what to retire.
func (s *Session) adopt(g *Group) (gone []*nexus, changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, s)
	s.group.Store(g)
	want := g.luns.Load()
	s.luns.Load().each(func(lun uint16, n *nexus) {
		m := want.table.get(lun)
		if m != nil && m.d == n.d && m.readOnly == n.ReadOnly {
			return
		}
		changed = true
		gone = append(gone, s.detach(lun))
		if m != nil {
			if n := s.attach(lun, m); n != nil {
				n.replaceUA(scsi.InquiryDataChanged)
			}
		}
	})
	want.table.each(func(lun uint16, m *mapping) {
		if s.lun(lun) == nil {
			changed = true
			s.attach(lun, m)
		}
	})
	return gone, changed
}

// SessionInfo describes a session at one moment.
type SessionInfo struct {
	Target    string
	ID        uint64 // unique for the target
	Initiator string
	Address   string
	Group     string
	Opened    time.Time
	LUNs      int
	Live      int    // commands in progress
	Commands  uint64 // commands that have ended
	Errors    uint64 // those that did not end with GOOD
	BytesIn   uint64 // bytes that went to the initiator
	BytesOut  uint64 // bytes that came from it
}

// Info describes the session.
func (s *Session) Info() SessionInfo {
	i := SessionInfo{
		Target: s.t.name, ID: s.id, Initiator: s.in.Name, Address: s.in.Address, Opened: s.opened,
		Commands: s.commands.Load(), Errors: s.errors.Load(), BytesIn: s.bytesIn.Load(), BytesOut: s.bytesOut.Load(),
	}
	if g := s.group.Load(); g != nil {
		i.Group = g.name
	}
	s.luns.Load().each(func(uint16, *nexus) { i.LUNs++ })
	s.mu.Lock()
	i.Live = s.live
	s.mu.Unlock()
	return i
}

// Target is the target that the session is logged in to.
func (s *Session) Target() *Target { return s.t }
