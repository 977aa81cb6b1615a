package iscsi

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// Counters count what went over a connection.
type Counters struct {
	PDUsIn, PDUsOut   uint64
	BytesIn, BytesOut uint64 // headers and digests included
	Commands          uint64 // SCSI commands
	DataOuts, R2Ts    uint64
	Rejects           uint64 // Reject PDUs sent
	DigestErrors      uint64 // of data; one of a header ends the connection
	Ignored           uint64 // requests outside the command window, and repeated ones
	Strays            uint64 // Data-Out for commands that did not wait for it
}

// SessionInfo describes a session at one moment.
type SessionInfo struct {
	Initiator      string // name in normal form
	InitiatorAlias string
	Target         string // name in normal form; "" in a discovery session
	ISID           string // hexadecimal
	TSIH, CID      uint16
	PortalGroup    uint16 // tag; 0 in a discovery session
	Local, Remote  string // addresses
	Opened         time.Time
	Params         Params // as negotiated at login
	ExpCmdSN       uint32
	MaxCmdSN       uint32
	Counters       Counters
}

// Stats are figures of a server since its start, and how many connections and sessions
// there are now.
type Stats struct {
	Accepted       uint64 // connections
	Refused        uint64 // connections that were closed because there were too many
	RefusedAddress uint64 // those of them that were too many of their address
	Logins         uint64 // that led to full-feature phase
	LoginsFailed   uint64
	Connections    int
	LoggingIn      int // connections that are not in full-feature phase
	Sessions       int // those that the engine is still closing included
}

// Stats returns the figures of the server.
func (s *Server) Stats() Stats {
	st := Stats{
		Accepted: s.totals.accepted.Load(), Refused: s.totals.refused.Load(),
		RefusedAddress: s.totals.refusedAddress.Load(),
		Logins:         s.totals.logins.Load(), LoginsFailed: s.totals.loginsFailed.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Connections, st.LoggingIn, st.Sessions = len(s.conns), len(s.logins), len(s.sessions.byTSIH)
	return st
}

// Sessions describes the sessions in the order in which they were opened.
func (s *Server) Sessions() []SessionInfo {
	list := s.sessionList()
	out := make([]SessionInfo, len(list))
	for i, x := range list {
		out[i] = x.info()
	}
	slices.SortFunc(out, func(a, b SessionInfo) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.TSIH, b.TSIH))
	})
	return out
}

// CloseSession ends the session with that handle, telling its initiator so, and reports
// whether there was one. The initiator may log in again. It does not block.
func (s *Server) CloseSession(tsih uint16) bool {
	x := s.sessionByTSIH(tsih)
	if x == nil {
		return false
	}
	x.conn.drop(errForced)
	return true
}

func (s *session) info() SessionInfo {
	c := s.conn
	return SessionInfo{
		Initiator: s.key.initiator, InitiatorAlias: s.alias, Target: s.key.target,
		ISID: hex.EncodeToString(s.key.isid[:]), TSIH: s.tsih, CID: s.cid, PortalGroup: s.key.tag,
		Local: addr{c.nc.LocalAddr()}.String(), Remote: addr{c.nc.RemoteAddr()}.String(),
		Opened: s.since, Params: s.params,
		ExpCmdSN: c.expCmdSN.Load(), MaxCmdSN: c.maxCmdSN.Load(),
		Counters: c.counters.read(),
	}
}

// totals are the counters of a server.
type totals struct {
	accepted, refused, refusedAddress, logins, loginsFailed atomic.Uint64
}

// rxStats are what the reader counts, txStats what the writer does. They are published
// once a batch.
type rxStats struct {
	pdusIn, bytesIn, commands, dataOuts, rejects, digestErrors, ignored, strays uint64
}

type txStats struct {
	pdus, bytes, r2ts uint64
}

// connCounters are what others may read.
type connCounters struct {
	pdusIn, bytesIn, commands, dataOuts, rejects, digestErrors, ignored, strays atomic.Uint64
	pdusOut, bytesOut, r2ts                                                     atomic.Uint64
}

func (n *connCounters) read() Counters {
	return Counters{
		PDUsIn: n.pdusIn.Load(), PDUsOut: n.pdusOut.Load(), BytesIn: n.bytesIn.Load(), BytesOut: n.bytesOut.Load(),
		Commands: n.commands.Load(), DataOuts: n.dataOuts.Load(), R2Ts: n.r2ts.Load(), Rejects: n.rejects.Load(),
		DigestErrors: n.digestErrors.Load(), Ignored: n.ignored.Load(), Strays: n.strays.Load(),
	}
}

// publish shows what the reader has counted.
func (c *conn) publish() {
	n, s := &c.counters, &c.stats
	set(&n.pdusIn, s.pdusIn)
	set(&n.bytesIn, s.bytesIn)
	set(&n.commands, s.commands)
	set(&n.dataOuts, s.dataOuts)
	set(&n.rejects, s.rejects)
	set(&n.digestErrors, s.digestErrors)
	set(&n.ignored, s.ignored)
	set(&n.strays, s.strays)
}

// publish shows what the writer has counted.
func (s *txStats) publish(c *conn) {
	n := &c.counters
	set(&n.pdusOut, s.pdus)
	set(&n.bytesOut, s.bytes)
	set(&n.r2ts, s.r2ts)
}

// set stores what has changed: a store is what costs.
func set(a *atomic.Uint64, v uint64) {
	if a.Load() != v {
		a.Store(v)
	}
}

// noteViolation logs the first PDU of a connection that had to be rejected.
func (c *conn) noteViolation(reason pdu.RejectReason) {
	if c.noted {
		return
	}
	c.noted = true
	c.log.Warn("PDU rejected, further ones are only counted", zap.Stringer(logReason, reason))
}
