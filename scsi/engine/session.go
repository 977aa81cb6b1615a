package engine

import (
	"slices"
	"strings"
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
	key    string // in.Name in lower case, as patterns see it
	opened time.Time
	limit  *sgv.Limit // counts; see memory

	move        sync.Mutex // held while the session changes its group
	left        bool       // guarded by move; the session ends and is in no group any more
	group       atomic.Pointer[Group]
	member      int                              // guarded by group.mu; its index in group.members
	luns        atomic.Pointer[lunTable[*nexus]] // replaced under lunmu
	window      atomic.Pointer[window]
	pendingLUNs atomic.Bool // REPORTED LUNS DATA HAS CHANGED waits to be told
	closing     atomic.Bool
	tasksLive   atomic.Int32 // task management functions in progress
	ready       chan struct{}
	gone        chan struct{}
	strays      counters // guarded by mu; of commands that reached no nexus

	lunmu       sync.Mutex
	nexuses     nexusList // guarded by lunmu; those in luns, and those that were, until their last command has ended
	past        Traffic   // guarded by lunmu; of nexuses that are over
	pastLatency *Latency  // guarded by lunmu; nil: nothing

	mu   sync.Mutex
	free *task   // guarded by mu
	rest int     // guarded by mu; how many there are in free, and
	low  int     // guarded by mu; the least of it since Trim
	all  []*task // guarded by mu; every command that was made
	live int     // guarded by mu; commands between NewCommand and their end
	idle chan struct{}
}

func newSession(t *Target, in fabric.Initiator, ep fabric.Endpoint) *Session {
	s := &Session{t: t, in: in, key: strings.ToLower(in.Name), ep: ep, opened: time.Now(), limit: sgv.NewLimit(0, t.e.limit), ready: make(chan struct{}), gone: make(chan struct{})}
	s.abort, _ = ep.(fabric.Aborter)
	s.bufs, _ = ep.(fabric.BufferProvider)
	s.events, _ = ep.(fabric.Eventer)
	s.luns.Store(&lunTable[*nexus]{})
	return s
}

// NewCommand returns a command for the transport to fill in, its Request and with SetCDB,
// and to Submit; never nil. Its Driver field is what the transport left there when the
// command was used before. Each one must be submitted, also after Close.
func (s *Session) NewCommand() *scsi.Command {
	s.mu.Lock()
	t := s.free
	if t == nil {
		t = newTask(s)
		s.all = append(s.all, t)
	} else {
		s.free = t.next
		t.next = nil
		s.rest--
		s.low = min(s.low, s.rest)
	}
	s.live++
	s.mu.Unlock()
	t.Request = scsi.Request{}
	return &t.Command
}

// Submit starts a command. It runs as far as it can on the caller's goroutine: the
// answer may be asked for, by Endpoint.Respond, before Submit returns.
func (s *Session) Submit(c *scsi.Command) { taskOf(c).submit() }

// QueueLimit is how many commands the transport should let in at once: the window of
// an iSCSI session. It is the sum of the queue depths of the session's devices, so that commands
// that are stuck on one leave room for the others, but at most 1024 more than the largest of them,
// since each one takes memory. It changes with them, and to ask again while nothing has changed
// costs the same however many there are.
func (s *Session) QueueLimit() int {
	luns, depths := s.luns.Load(), s.t.e.depths.Load()
	if w := s.window.Load(); w != nil && w.luns == luns && w.depths == depths {
		return w.limit
	}
	most, sum := 0, 0
	luns.each(func(_ uint16, x *nexus) {
		n := int(x.d.depth.Load())
		most, sum = max(most, n), sum+n
	})
	limit := defaultDepth
	if sum > 0 {
		limit = min(sum, most+windowSlack)
	}
	s.window.Store(&window{luns: luns, depths: depths, limit: limit})
	return limit
}

// window is a QueueLimit and what it was made of.
type window struct {
	luns   *lunTable[*nexus]
	depths uint64 // Engine.depths
	limit  int
}

// Close ends the session: its commands are aborted, and when the last one has ended,
// Endpoint.Closed is called with reason, nil for ErrSessionClosed. Only the first call
// counts. Commands that are submitted afterwards are answered, silently.
func (s *Session) Close(reason error) {
	if s.closing.Swap(true) {
		return
	}
	if reason == nil {
		reason = ErrSessionClosed
	}
	s.t.e.spawn(func() { s.end(reason) })
}

// Done is closed when the session is over and Endpoint.Closed has returned.
func (s *Session) Done() <-chan struct{} { return s.gone }

// end is the rest of Close.
func (s *Session) end(reason error) {
	<-s.ready
	s.move.Lock()
	s.left = true
	g := s.group.Load()
	g.mu.Lock()
	g.leave(s)
	s.lunmu.Lock()
	list := slices.Collect(s.nexuses.all) // there will be no others
	s.lunmu.Unlock()
	g.depart(list...)
	g.mu.Unlock()
	s.move.Unlock()
	s.hold(nil, scsi.NexusReset, func(*nexus) bool { return true }).resetNexus()
	<-s.drained()
	s.lunmu.Lock()
	s.luns.Store(&lunTable[*nexus]{})
	s.lunmu.Unlock()
	for _, n := range list {
		n.retire()
	}
	for _, n := range list {
		<-n.released
	}
	s.t.e.forget(s)
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

// memory gets a buffer for a command.
func (s *Session) memory(p *sgv.Pool, n int) (*sgv.Buf, error) {
	if !s.fair(p.Cost(n)) {
		return nil, sgv.ErrLimit
	}
	return p.Get(n, s.limit)
}

// fair reports whether the session may have cost more bytes. If it has some, it gets more of
// the engine's memory only if that leaves as much free as the session has then: who takes all
// that he can get, and reads no answers, has half of it, two of them have a third each, and the
// others go on.
func (s *Session) fair(cost int64) bool {
	all := s.limit.Parent()
	most := all.Max()
	if most <= 0 || cost > most {
		return true // no limit, or one that says so itself
	}
	has := s.limit.Used()
	return has == 0 || has+cost <= most-all.Used()-cost
}

// Now is the clock of the session, for scsi.Request.Arrived: the time since its engine was
// made. It does not go back, and is never 0, which stands for no reading.
func (s *Session) Now() time.Duration { return max(s.t.e.now(), 1) }

// ResponsesSent is ResponseSent of many commands of the session at once, whose responses
// have left together, or could not for the same reason. It keeps neither list nor commands.
func (s *Session) ResponsesSent(list []*scsi.Command, err error) {
	now := s.t.e.now()
	var first *task
	defer func() {
		if first != nil {
			s.recycle(first)
		}
		if len(list) > 0 { // a handler has ended the goroutine
			s.ResponsesSent(list, err)
		}
	}()
	for len(list) > 0 {
		t := taskOf(list[0])
		list = list[1:]
		t.left = now
		if !t.gone(err) {
			continue
		}
		t.finished()
		set, next := t.leave()
		if t.wind() {
			t.next = first
			first = t
		}
		if next != nil {
			s.recycle(first)
			first = nil
			set.drain(next)
		}
	}
}

// recycle takes a command back, and those that follow it in a list.
func (s *Session) recycle(t *task) {
	s.mu.Lock()
	for t != nil {
		next, n := t.next, t.n
		t.n = nil
		t.next = s.free
		s.free = t
		s.rest++
		if s.ended(t, n) {
			s.mu.Unlock()
			s.t.e.spawn(n.release)
			s.mu.Lock()
		}
		t = next
	}
	s.checkIdle()
	s.mu.Unlock()
}

// ended counts a command of n, which may be nil, that is over. It reports whether the
// caller has to release n. mu is held.
func (s *Session) ended(t *task, n *nexus) bool {
	s.live--
	if n == nil {
		s.strays.add(&t.account)
		return false
	}
	n.traffic.add(&t.account)
	n.users--
	return n.over()
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
	over := s.ended(t, t.n)
	s.checkIdle()
	s.mu.Unlock()
	if over {
		s.t.e.spawn(t.n.release)
	}
}

// Trim lets go of commands that the session made for a burst and has not needed since the last
// call; it keeps a few in any case. For transports, every some seconds: a command that is
// there when it is needed costs no memory allocation, and takes about a kilobyte until then.
func (s *Session) Trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.low - keptCommands
	s.low = s.rest
	if n <= 0 {
		return
	}
	for range n {
		t := s.free
		s.free, t.next, t.unused = t.next, nil, true
	}
	s.rest -= n
	s.low = s.rest
	left := make([]*task, 0, len(s.all)-n)
	for _, t := range s.all {
		if !t.unused {
			left = append(left, t)
		}
	}
	s.all = left
}

// lun finds the logical unit at a number; nil if there is none.
func (s *Session) lun(n uint16) *nexus { return s.luns.Load().get(n) }

// at finds the logical unit that a command addresses; nil if there is none.
func (s *Session) at(l scsi.LUN) *nexus {
	if n, ok := l.Number(); ok {
		return s.lun(n)
	}
	return nil
}

func (s *Session) setLUN(lun uint16, n *nexus) {
	s.lunmu.Lock()
	t := s.luns.Load().with(lun, n)
	s.luns.Store(&t)
	s.lunmu.Unlock()
}

// setLUNs replaces the whole table.
func (s *Session) setLUNs(t *lunTable[*nexus]) {
	s.lunmu.Lock()
	s.luns.Store(t)
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

// regroup moves the session to the group that it belongs to now. Logical units that are
// the same device, mapped the same way at the same number, stay as they are.
func (s *Session) regroup() {
	gone, changed := s.moved()
	for _, n := range gone {
		n.retire()
	}
	if changed {
		s.lunsChanged()
	}
}

// moved is regroup up to what happens under the locks; it returns what to retire.
func (s *Session) moved() (gone []*nexus, changed bool) {
	s.move.Lock()
	defer s.move.Unlock()
	from, g := s.group.Load(), s.t.groupOf(s.in.Name)
	if s.left || from == g {
		return nil, false
	}
	// Both groups are locked for all of it: who takes a logical unit away from one of them
	// finds the session in one, or what it cannot reach any more among what is leaving.
	defer lockBoth(from, g)()
	defer func() { from.depart(gone...) }()
	from.leave(s)
	g.add(s)
	s.group.Store(g)
	want := g.luns.Load()
	now := s.luns.Load()
	edit := lunEdit[*nexus]{table: *now}
	var heirs []*nexus // of gone; nil: there is none
	now.each(func(lun uint16, n *nexus) {
		m := want.table.get(lun)
		if m != nil && m.d == n.d && m.readOnly == n.ReadOnly {
			return
		}
		var next *nexus
		if m != nil {
			next = s.attach(lun, m, scsi.InquiryDataChanged)
		}
		heirs = append(heirs, next)
		edit.set(lun, next)
		gone, changed = append(gone, n), true
	})
	want.table.each(func(lun uint16, m *mapping) {
		if now.get(lun) != nil {
			return // done above, also if the handler has refused
		}
		if n := s.attach(lun, m, s.first()); n != nil {
			edit.set(lun, n)
			changed = true
		}
	})
	if changed {
		s.setLUNs(edit.done())
	}
	for i, heir := range heirs {
		if heir != nil {
			gone[i].bequeath(heir)
		}
	}
	return gone, changed
}

// first is the unit attention that a logical unit begins with.
func (s *Session) first() scsi.Sense {
	if s.in.NexusLost {
		return scsi.NexusLoss
	}
	return scsi.PowerOnOccurred
}

// SessionInfo describes a session at one moment.
type SessionInfo struct {
	Target    string // its name
	ID        uint64 // unique for the target; see Target.CloseSession
	Initiator string // its name
	Address   string // where it connects from
	Group     string // the initiator group; "" is the default group
	Opened    time.Time
	LUNs      int // logical units that it sees
	Live      int // commands in progress, those that the transport fills in or sends included
	Traffic       // since the session was opened
}

// Info describes the session.
func (s *Session) Info() SessionInfo {
	i := SessionInfo{Target: s.t.name, ID: s.id, Initiator: s.in.Name, Address: s.in.Address, Opened: s.opened, Group: s.group.Load().name}
	s.luns.Load().each(func(uint16, *nexus) { i.LUNs++ })
	s.mu.Lock()
	i.Live = s.live
	s.mu.Unlock()
	s.collect(&i.Traffic, nil)
	return i
}

// Latency is how long the session's commands took.
func (s *Session) Latency() Latency {
	var t Traffic
	var l Latency
	s.collect(&t, &l)
	return l
}

// collect adds what the session has counted to t and, unless it is nil, to l.
func (s *Session) collect(t *Traffic, l *Latency) {
	s.lunmu.Lock()
	defer s.lunmu.Unlock()
	t.add(&s.past)
	if l != nil {
		l.merge(s.pastLatency)
	}
	for n := range s.nexuses.all {
		n.count(t, l)
	}
	s.mu.Lock()
	s.strays.addTo(t, l)
	s.mu.Unlock()
}

// Target is the target that the session is logged in to.
func (s *Session) Target() *Target { return s.t }
