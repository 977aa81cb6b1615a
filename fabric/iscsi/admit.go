package iscsi

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// target is what a login needs of the engine's target.
type target interface {
	Name() string
	Enabled() bool
	Admits(initiator string) bool
	login(ctx context.Context, in fabric.Initiator, ep fabric.Endpoint) (nexus, error)
}

// catalog is where targets are found.
type catalog interface {
	targets() []target
}

// engineCatalog is the catalog of an engine.
type engineCatalog struct{ e *engine.Engine }

func (c engineCatalog) targets() []target {
	list := c.e.Targets()
	out := make([]target, len(list))
	for i, t := range list {
		out[i] = engineTarget{t}
	}
	return out
}

// engineTarget is a target of an engine.
type engineTarget struct{ *engine.Target }

func (t engineTarget) login(ctx context.Context, in fabric.Initiator, ep fabric.Endpoint) (nexus, error) {
	s, err := t.Login(ctx, in, ep)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// findTarget finds a target by its name in normal form.
func (s *Server) findTarget(name string) target {
	for _, t := range s.catalog.targets() {
		if own, err := normalizeName(t.Name()); err == nil && own == name {
			return t
		}
	}
	return nil
}

// begin implements loginOwner.
func (c *conn) begin(r *loginRequest) (loginTerms, pdu.LoginStatus) {
	srv := c.srv
	terms := loginTerms{offer: srv.opt.Offer, portalGroupTag: defaultPortalGroup}
	if r.discovery {
		return terms, pdu.LoginSuccess
	}
	t := srv.findTarget(r.targetName)
	if t == nil {
		return terms, pdu.LoginNotFound
	}
	if !t.Enabled() {
		return terms, pdu.LoginUnavailable
	}
	portals := srv.portals(t.Name(), c.nc.LocalAddr())
	if len(portals) == 0 || !t.Admits(r.initiatorName) {
		return terms, pdu.LoginNotFound
	}
	terms.portalGroupTag = groupTag(portals, c.nc.LocalAddr())
	if f := srv.opt.TargetAlias; f != nil {
		terms.targetAlias = f(t.Name())
	}
	c.login.target, c.login.tag = t, terms.portalGroupTag
	if r.tsih != 0 {
		old := srv.sessionByTSIH(r.tsih)
		if old == nil || old.key != c.sessionKey(r) {
			return terms, pdu.LoginNoSession
		}
		if old.cid != r.cid { // a session has one connection
			return terms, pdu.LoginTooManyConnections
		}
		terms.sessionParams = &old.params
	}
	return terms, pdu.LoginSuccess
}

// pendingLogin is what a login keeps from begin for admit.
type pendingLogin struct {
	target target
	tag    uint16
	until  time.Time // zero: no end
}

func (c *conn) sessionKey(r *loginRequest) sessionKey {
	k := sessionKey{initiator: r.initiatorName, isid: r.isid}
	if !r.discovery {
		k.target, k.tag = r.targetName, c.login.tag
	}
	return k
}

// admit implements loginOwner: it makes the session. One that the initiator port has
// already is reinstated: it ends first, to its last command (RFC 7143 6.3.5). A login to
// an existing session on the connection that it has reinstates the connection
// (RFC 7143 6.3.4); without recovery all tasks end, and the session goes on under
// its handle.
func (c *conn) admit(r *loginRequest, p *Params) (uint16, pdu.LoginStatus) {
	ctx, cancel := c.loginContext()
	defer cancel()
	s := &session{
		srv: c.srv, key: c.sessionKey(r), tsih: r.tsih, cid: r.cid, conn: c, alias: r.initiatorAlias,
		params: *p, since: time.Now(), closed: make(chan struct{}),
	}
	c.srv.awaitHungUp(ctx, &s.key)
	replaced, status := c.srv.enter(ctx, s)
	if status != pdu.LoginSuccess {
		return 0, status
	}
	c.sess, c.par = s, *p
	c.firstSN(r)
	if r.discovery {
		return s.tsih, pdu.LoginSuccess
	}
	nx, err := c.login.target.login(ctx, c.initiator(r, replaced), s)
	if err != nil {
		c.srv.removeSession(s)
		c.sess = nil
		close(s.closed)
		c.log.Debug("engine refuses login", zap.Error(err))
		return 0, loginStatus(err)
	}
	c.nx = nx
	c.limit.Store(uint32(max(1, nx.QueueLimit())))
	c.srv.log.Info("iSCSI session opened", s.fields()...)
	return s.tsih, pdu.LoginSuccess
}

// initiator names the initiator port to the engine.
func (c *conn) initiator(r *loginRequest, replaced bool) fabric.Initiator {
	return fabric.Initiator{
		Name: r.initiatorName,
		TransportID: scsi.AppendTransportID(nil, scsi.TransportID{
			Protocol: scsi.ProtocolISCSI, Name: r.initiatorName, ISID: r.isid[:],
		}),
		Address:   addr{c.nc.RemoteAddr()}.String(),
		NexusLost: replaced,
	}
}

// loginContext ends with the time for a login, or with the connection.
func (c *conn) loginContext() (context.Context, context.CancelFunc) {
	var ctx context.Context
	var cancel context.CancelFunc
	if until := c.login.until; until.IsZero() {
		ctx, cancel = context.WithCancel(context.Background())
	} else {
		ctx, cancel = context.WithDeadline(context.Background(), until)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onDown = cancel
	if c.err != nil {
		cancel()
	}
	return ctx, cancel
}

// loginStatus maps the engine's refusal.
func loginStatus(err error) pdu.LoginStatus {
	switch {
	case errors.Is(err, engine.ErrNotEnabled), errors.Is(err, engine.ErrEngineClosed), errors.Is(err, engine.ErrTargetRemoved):
		return pdu.LoginUnavailable
	case errors.Is(err, engine.ErrTooManySessions):
		return pdu.LoginOutOfResources
	}
	return pdu.LoginTargetError
}

// hangUpWait bounds how long a login waits for sessions that the initiator has left.
const hangUpWait = time.Second

// awaitHungUp waits for the end of sessions that the initiator has with the target under other
// ISIDs, or this one, and whose connections it has closed: an initiator that comes back with another
// ISID finds undone what the loss of a nexus undoes, however late the readers of those connections
// hear of it. A session that does not end, for one of its commands is stuck, keeps nobody out for long.
func (s *Server) awaitHungUp(ctx context.Context, k *sessionKey) {
	if k.target == "" {
		return
	}
	s.mu.Lock()
	var list []*session
	for x := range s.sessions.byEnds[k.ends()] {
		list = append(list, x)
	}
	s.mu.Unlock()
	list = slices.DeleteFunc(list, func(x *session) bool { return !x.conn.hungUp() })
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hangUpWait)
	defer cancel()
	for _, x := range list {
		select {
		case <-x.closed:
		case <-ctx.Done():
			return
		}
	}
}

// hungUp reports whether the initiator has closed the connection, or the target has, as far as the
// system tells.
func (c *conn) hungUp() (gone bool) {
	if c.raw == nil {
		return false
	}
	err := c.raw.Control(func(fd uintptr) { gone = peerGone(fd) })
	return gone || err != nil
}

// enter puts a session into the table in place of the one with its key, and waits until
// that one is over. It reports whether there was one.
func (s *Server) enter(ctx context.Context, n *session) (replaced bool, status pdu.LoginStatus) {
	for {
		s.mu.Lock()
		old := s.sessions.byKey[n.key]
		if n.key.target == "" {
			old = nil
		}
		if old == nil {
			status := s.enterLocked(n, replaced)
			s.mu.Unlock()
			return replaced, status
		}
		if n.tsih != 0 && old.tsih != n.tsih {
			s.mu.Unlock()
			return false, pdu.LoginNoSession
		}
		s.mu.Unlock()
		replaced = true
		old.conn.fail(errReinstated)
		select {
		case <-old.closed:
		case <-ctx.Done():
			return false, pdu.LoginUnavailable
		}
	}
}

func (s *Server) enterLocked(n *session, replaced bool) pdu.LoginStatus {
	switch {
	case s.state != serving:
		return pdu.LoginUnavailable
	case n.tsih != 0 && !replaced:
		return pdu.LoginNoSession
	case s.opt.MaxSessions > 0 && len(s.sessions.byTSIH) >= s.opt.MaxSessions:
		return pdu.LoginOutOfResources
	}
	if n.tsih == 0 || s.sessions.byTSIH[n.tsih] != nil {
		if n.tsih = s.sessions.newTSIH(); n.tsih == 0 {
			return pdu.LoginOutOfResources
		}
	}
	s.sessions.add(n)
	return pdu.LoginSuccess
}

// listTargets implements targetLister.
func (c *conn) listTargets(name string) []discovered {
	var list []discovered
	for _, t := range c.srv.catalog.targets() {
		own, err := normalizeName(t.Name())
		if err != nil || name != "" && own != name || !t.Admits(c.sess.key.initiator) {
			continue
		}
		if d, ok := c.srv.describe(t.Name(), c.nc.LocalAddr()); ok {
			list = append(list, d)
		}
	}
	return list
}
