package iscsi

import (
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// session is an iSCSI session: an initiator port logged in to a target portal group
// (RFC 7143 4.4.3), and the engine's Endpoint for it. It has one connection. It is over when the
// engine says so with Closed, some time after its connection.
type session struct {
	srv    *Server
	key    sessionKey
	tsih   uint16
	cid    uint16
	conn   *conn
	alias  string // of the initiator
	since  time.Time
	params Params // as negotiated at login

	closed chan struct{} // closed by Closed
	reason error         // why it was closed; read after closed
}

// sessionKey is what at most one session has: names in their normal form and ISID. All
// portals of a target that differ in their portal group tag are different ends
// (RFC 7143 4.4.1, 4.4.3.2).
type sessionKey struct {
	initiator string
	target    string // "" in a discovery session
	isid      pdu.ISID
	tag       uint16
}

// sessionTable has the sessions of a server, from before the engine knows them until it
// has closed them. Server.mu guards it.
type sessionTable struct {
	byKey  map[sessionKey]*session           // normal sessions
	byEnds map[sessionEnds]map[*session]bool // normal sessions
	byTSIH map[uint16]*session               // all sessions
	last   uint16                            // TSIH that was given last
}

// sessionEnds are the names of a session's ends, which may have several with each other.
type sessionEnds struct{ initiator, target string }

func (k *sessionKey) ends() sessionEnds { return sessionEnds{k.initiator, k.target} }

// newTSIH returns a handle that no session has, or 0.
func (t *sessionTable) newTSIH() uint16 {
	for range 0xFFFF {
		if t.last++; t.last == 0 {
			t.last = 1
		}
		if t.byTSIH[t.last] == nil {
			return t.last
		}
	}
	return 0
}

// add enters a session.
func (t *sessionTable) add(s *session) {
	if t.byTSIH == nil {
		t.byTSIH, t.byKey = make(map[uint16]*session), make(map[sessionKey]*session)
		t.byEnds = make(map[sessionEnds]map[*session]bool)
	}
	t.byTSIH[s.tsih] = s
	if s.key.target == "" {
		return
	}
	t.byKey[s.key] = s
	ends := s.key.ends()
	if t.byEnds[ends] == nil {
		t.byEnds[ends] = make(map[*session]bool)
	}
	t.byEnds[ends][s] = true
}

// remove takes a session out.
func (t *sessionTable) remove(s *session) {
	if t.byTSIH[s.tsih] == s {
		delete(t.byTSIH, s.tsih)
	}
	if t.byKey[s.key] == s {
		delete(t.byKey, s.key)
	}
	ends := s.key.ends()
	if delete(t.byEnds[ends], s); len(t.byEnds[ends]) == 0 {
		delete(t.byEnds, ends)
	}
}

// end starts the end of the session, if nobody has before. Its connection is on its way
// out.
func (s *session) end(reason error) {
	if s.conn.nx != nil {
		s.conn.nx.Close(reason)
		return
	}
	select {
	case <-s.closed:
	default:
		s.Closed(reason)
	}
}

// Closed implements fabric.Endpoint: the session is over. If the connection is still
// there, it was the engine that ended the session.
func (s *session) Closed(reason error) {
	s.reason = reason
	s.srv.removeSession(s)
	s.srv.log.Info("iSCSI session closed", s.fields(zap.NamedError(logReason, reason))...)
	close(s.closed)
	s.conn.sessionOver(reason)
}

// RequestLogout implements fabric.LogoutRequester.
func (s *session) RequestLogout(within time.Duration) { s.conn.requestLogout(within) }

// fields describe the session in logs.
func (s *session) fields(more ...zap.Field) []zap.Field {
	return append([]zap.Field{
		zap.String(logInitiator, s.key.initiator), zap.String(logTarget, s.key.target),
		zap.Uint16(logSession, s.tsih), zap.Stringer(logRemote, addr{s.conn.nc.RemoteAddr()}),
	}, more...)
}
