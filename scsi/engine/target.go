package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// Target is a SCSI target device with one port. It refuses logins until Enable, so
// that nobody sees a half-built one. All methods may be called from any goroutine.
type Target struct {
	e           *Engine
	name        string
	port        scsi.Port
	maxSessions int
	method      scsi.LUNMethod

	mu       sync.Mutex
	enabled  bool                         // guarded by mu
	refusal  error                        // guarded by mu; why logins are refused for good
	groups   []*Group                     // guarded by mu; in the order of creation, the default group first
	choose   chooser                      // guarded by mu; by the patterns of groups
	made     uint64                       // guarded by mu; groups so far
	sessions map[uint64]*Session          // guarded by mu; by their IDs
	named    map[string]map[*Session]bool // guarded by mu; by the initiator's name in lower case
	opened   uint64                       // guarded by mu; sessions so far
	def      *Group                       // the default group
}

// AddTarget adds a target under a name that is unique in the engine: for iSCSI the
// iSCSI name. It is not enabled.
func (e *Engine) AddTarget(name string, opts *TargetOptions) (*Target, error) {
	if opts == nil {
		opts = &TargetOptions{}
	}
	if name == "" {
		return nil, fmt.Errorf("engine: AddTarget: the name is empty")
	}
	if opts.LUNMethod > scsi.LUNExtended {
		return nil, fmt.Errorf("engine: target %q: LUNMethod is %d, 0 to %d is allowed", name, opts.LUNMethod, scsi.LUNExtended)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrEngineClosed
	}
	if _, ok := e.targets[name]; ok {
		return nil, fmt.Errorf("engine: target %q: %w", name, ErrExists)
	}
	id := opts.RelativeID
	if id == 0 {
		for id = 1; e.ports[id] != nil; id++ {
			if id == 0xFFFF {
				return nil, fmt.Errorf("engine: target %q: all relative target port identifiers are taken", name)
			}
		}
	} else if t := e.ports[id]; t != nil {
		return nil, fmt.Errorf("engine: target %q: RelativeID %d belongs to target %q: %w", name, id, t.name, ErrExists)
	}
	proto := opts.Protocol
	if proto == 0 && !opts.ProtocolSet {
		proto = scsi.ProtocolISCSI
	}
	t := &Target{
		e: e, name: name, maxSessions: opts.MaxSessions, method: opts.LUNMethod,
		port:     scsi.Port{RelativeID: id, Protocol: proto, Name: opts.PortName, TargetName: name},
		sessions: make(map[uint64]*Session), named: make(map[string]map[*Session]bool),
	}
	if t.port.Name == "" && proto == scsi.ProtocolISCSI {
		t.port.Name = fmt.Sprintf("%s,t,0x%04x", name, 1) // RFC 7143 4.2.7.1: name, "t", portal group tag
	}
	t.def = newGroup(t, "")
	t.groups = []*Group{t.def}
	e.targets[name], e.ports[id] = t, t
	e.log.Info("target added", zap.String(keyTarget, name), zap.Uint16("port", id))
	return t, nil
}

// Name is the name under which the target was added.
func (t *Target) Name() string { return t.name }

// RelativeID is the RELATIVE TARGET PORT IDENTIFIER of the target's port.
func (t *Target) RelativeID() uint16 { return t.port.RelativeID }

// Enable lets initiators log in. It does nothing once Remove was called, or Shutdown or
// Close of the engine.
func (t *Target) Enable() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enabled = true
}

// Enabled reports whether initiators may log in.
func (t *Target) Enabled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enabled && t.refusal == nil
}

// Disable refuses further logins, asks the initiators to log out, and waits until
// ctx is done; then it closes the sessions that are left and aborts their commands.
// It returns when no session is left, or with an error if one is still held up by a
// command when ctx is done.
func (t *Target) Disable(ctx context.Context) error {
	t.mu.Lock()
	t.enabled = false
	t.mu.Unlock()
	t.requestLogout(ctx)
	return t.drain(ctx, ErrTargetDisabled)
}

// Remove disables the target for good, unmaps its LUNs and takes it out of the engine. See
// Disable for how it waits. After an error it may be called again, and waits then for the
// sessions that the call before could not wait for.
func (t *Target) Remove(ctx context.Context) error {
	t.refuse(ErrTargetRemoved)
	t.requestLogout(ctx)
	if err := t.drain(ctx, ErrTargetRemoved); err != nil {
		return err
	}
	for _, g := range t.Groups() {
		if err := g.clear(ctx); err != nil {
			return err
		}
	}
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	if t.e.targets[t.name] == t {
		delete(t.e.targets, t.name)
		delete(t.e.ports, t.port.RelativeID)
		t.e.log.Info("target removed", zap.String(keyTarget, t.name))
	}
	return nil
}

// Group returns the initiator group of that name, which it makes on first use; "" is
// the default group, whose LUNs the initiators see that belong to no other.
func (t *Target) Group(name string) *Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.groups {
		if g.name == name {
			return g
		}
	}
	g := newGroup(t, name)
	t.made++
	g.seq = t.made
	g.removed = t.refusal != nil
	t.groups = append(t.groups, g)
	return g
}

// Groups returns the groups in the order of their creation, the default group first.
func (t *Target) Groups() []*Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.groups)
}

// Map maps a device as a logical unit of the default group.
func (t *Target) Map(lun uint16, d *Device, opts *LUNOptions) error {
	return t.def.Map(lun, d, opts)
}

// Unmap takes a logical unit out of the default group; see Group.Unmap.
func (t *Target) Unmap(ctx context.Context, lun uint16) error { return t.def.Unmap(ctx, lun) }

// Admits reports whether an initiator may log in and has a logical unit to see there:
// what discovery shows it.
func (t *Target) Admits(initiator string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enabled && t.refusal == nil && t.groupFor(initiator).luns.Load().n > 0
}

// Login opens an I_T nexus. Transports call it once the initiator is authenticated.
// The session sees the LUNs of the first group that has a pattern for the initiator's
// name, else those of the default group; it may be none. Login calls the handlers'
// Attach, which may block. It fails with ErrNotEnabled, ErrTooManySessions,
// ErrTargetRemoved, ErrEngineClosed or ctx's error, and then no method of ep is called.
// Events may come before Login returns; Closed may come as soon as it returns.
func (t *Target) Login(ctx context.Context, in fabric.Initiator, ep fabric.Endpoint) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := newSession(t, in, ep)
	if err := t.enroll(s); err != nil {
		return nil, err
	}
	defer close(s.ready)
	t.e.log.Info("session opened", zap.String(keyTarget, t.name), zap.String(keyInitiator, in.Name), zap.String(keyAddress, in.Address))
	if f := t.e.events.SessionOpened; f != nil {
		f(s.Info())
	}
	return s, nil
}

// enroll makes s a session of the target and a member of its group.
func (t *Target) enroll(s *Session) error {
	s.move.Lock()
	defer s.move.Unlock()
	t.mu.Lock()
	switch {
	case t.refusal != nil:
		t.mu.Unlock()
		return t.refusal
	case !t.enabled:
		t.mu.Unlock()
		return ErrNotEnabled
	case t.maxSessions > 0 && len(t.sessions) >= t.maxSessions:
		t.mu.Unlock()
		return ErrTooManySessions
	}
	g := t.groupFor(s.in.Name)
	s.group.Store(g)
	t.opened++
	s.id = t.opened
	t.sessions[s.id] = s
	if t.named[s.key] == nil {
		t.named[s.key] = make(map[*Session]bool)
	}
	t.named[s.key][s] = true
	t.mu.Unlock()
	g.join(s)
	return nil
}

// Sessions describes the sessions of the target, the oldest first.
func (t *Target) Sessions() []SessionInfo {
	var out []SessionInfo
	for _, s := range t.sessionList() {
		out = append(out, s.Info())
	}
	return out
}

// CloseSession closes the session with an ID, see SessionInfo; see Session.Close for
// reason. It does not wait. It fails with ErrNotFound.
func (t *Target) CloseSession(id uint64, reason error) error {
	if s := t.session(id); s != nil {
		s.Close(reason)
		return nil
	}
	return fmt.Errorf("engine: target %q: session %d: %w", t.name, id, ErrNotFound)
}

// Latency is how long the commands of a session took, by its ID; see SessionInfo. It
// fails with ErrNotFound.
func (t *Target) Latency(id uint64) (Latency, error) {
	if s := t.session(id); s != nil {
		return s.Latency(), nil
	}
	return Latency{}, fmt.Errorf("engine: target %q: session %d: %w", t.name, id, ErrNotFound)
}

// groupFor chooses the group of an initiator; t.mu is held.
func (t *Target) groupFor(initiator string) *Group {
	if g := t.choose.find(initiator); g != nil {
		return g
	}
	return t.def
}

// groupOf is groupFor without the lock.
func (t *Target) groupOf(initiator string) *Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.groupFor(initiator)
}

// concerned returns the sessions whose group may be another one if a pattern comes or goes, the
// oldest first; t.mu is held.
func (t *Target) concerned(pattern string) []*Session {
	var list []*Session
	if isName(pattern) {
		list = slices.Collect(maps.Keys(t.named[strings.ToLower(pattern)]))
	} else {
		for _, s := range t.sessions {
			if fabric.Match(pattern, s.key) {
				list = append(list, s)
			}
		}
	}
	slices.SortFunc(list, byID)
	return list
}

// regroup moves sessions to the groups that they belong to now.
func regroup(list []*Session) {
	for _, s := range list {
		s.regroup()
	}
}

func byID(a, b *Session) int { return cmp.Compare(a.id, b.id) }

// session finds a session by its ID; nil if there is none.
func (t *Target) session(id uint64) *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sessions[id]
}

// strike forgets a session; mu is held.
func (t *Target) strike(s *Session) {
	delete(t.sessions, s.id)
	if delete(t.named[s.key], s); len(t.named[s.key]) == 0 {
		delete(t.named, s.key)
	}
}

func (t *Target) sessionList() []*Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.sessions), byID)
}

// refuse makes every further login fail with err.
func (t *Target) refuse(err error) {
	t.mu.Lock()
	if t.refusal == nil {
		t.refusal = err
	}
	t.mu.Unlock()
}

// requestLogout asks the initiators whose transport can to log out before ctx ends.
func (t *Target) requestLogout(ctx context.Context) {
	within := 10 * time.Second
	if dl, ok := ctx.Deadline(); ok {
		within = max(time.Second, time.Until(dl))
	}
	for _, s := range t.sessionList() {
		if r, ok := s.ep.(fabric.LogoutRequester); ok {
			r.RequestLogout(within)
		}
	}
}

// drain waits for the sessions to end. Those whose transport cannot ask for a logout
// are closed at once, the others when ctx is done; then it gives the aborted commands
// a last moment to end.
func (t *Target) drain(ctx context.Context, reason error) error {
	for _, s := range t.sessionList() {
		if _, ok := s.ep.(fabric.LogoutRequester); !ok {
			s.Close(reason)
		}
	}
	for _, s := range t.sessionList() {
		if await(ctx, s.gone) != nil {
			s.Close(reason)
		}
	}
	grace := time.NewTimer(graceAfterAbort)
	defer grace.Stop()
	for _, s := range t.sessionList() {
		if ctx.Err() == nil {
			<-s.gone
			continue
		}
		select {
		case <-s.gone:
		case <-grace.C:
			return fmt.Errorf("engine: target %q: %w: session of %q is held up by a command", t.name, ctx.Err(), s.in.Name)
		}
	}
	return nil
}

// graceAfterAbort is how long aborted commands may take when there is no time left.
const graceAfterAbort = time.Second
