package iscsi

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// Bounds of a login.
const (
	// maxLoginData is the longest data segment, in bytes, of a login PDU in either
	// direction: MaxRecvDataSegmentLength is not in effect before full-feature phase.
	maxLoginData = 8192
	// maxLoginRequests bounds the requests of one login. A text of 64 KiB in the pieces
	// that the standard asks initiators to make takes 8.
	maxLoginRequests = 64
)

// loginOwner is what a login asks of the server that it belongs to. Both methods are called
// from within step and without locks.
type loginOwner interface {
	// begin is asked once, when the initiator has said who it is and whom it wants, and
	// before anything is negotiated. A status other than LoginSuccess refuses it: there is
	// no such target, not for this initiator or not through this portal, or, if r.tsih is
	// not 0, no such session.
	begin(r *loginRequest) (loginTerms, pdu.LoginStatus)
	// admit is asked once, when only the last response is left to be sent. It decides on
	// sessions of the same initiator that are still there (RFC 7143 6.3.5) and on limits,
	// and returns the handle of the session. A status other than LoginSuccess refuses.
	admit(r *loginRequest, p *Params) (tsih uint16, status pdu.LoginStatus)
}

// loginRequest is who logs in and to what.
type loginRequest struct {
	initiatorName  string // in its normal form
	initiatorAlias string
	targetName     string // in its normal form; may be "" if discovery
	discovery      bool
	isid           pdu.ISID
	tsih           uint16 // of the session to join; 0 for a new one
	cid            uint16
	cmdSN          uint32 // of the first request: the session's first, if it is a new one
	expStatSN      uint32 // of the first request
}

// loginTerms are the conditions of a login.
type loginTerms struct {
	offer          Offer
	portalGroupTag uint16
	targetAlias    string  // "": none is declared
	sessionParams  *Params // of the session to join, if it is not a new one
}

// loginAction is what the caller of login.step does next.
type loginAction uint8

const (
	loginReply loginAction = iota // send the response, then await another request
	loginDone                     // send the response; full-feature phase begins
	loginFail                     // send the response, then close the connection
	loginDrop                     // close the connection without a response
)

// login is the target's side of the login phase of one connection (RFC 7143 6.3), without
// the connection: step is called for each PDU and says what to send.
//
//	             first request
//	                  │
//	      CSG=0 ┌─────┴──────┐ CSG=1
//	            ▼            ▼
//	SecurityNegotiation ──► LoginOperationalNegotiation
//	            │  T, NSG=1  │
//	   T, NSG=3 └─────┬──────┘ T, NSG=3
//	                  ▼ admit
//	          full-feature phase
//
// A stage is left when the initiator asks for it with T and the target has nothing more to
// say in it. Any failure ends the login. A login is used by one goroutine.
type login struct {
	owner loginOwner

	req   loginRequest
	neg   negotiator
	stage pdu.Stage

	versions [2]uint8
	requests int
	named    bool // the first text is complete
	declared bool // MaxRecvDataSegmentLength has been declared
	ended    bool

	in    textInput
	out   []byte // what is left to send
	pairs []pair

	err error // why the login failed
}

// newLogin returns the login of a new connection.
func newLogin(owner loginOwner) *login {
	return &login{owner: owner, neg: newNegotiator()}
}

// step takes the PDU h with its data segment, at most maxLoginData bytes without padding,
// and fills in the response resp but for StatSN, ExpCmdSN and MaxCmdSN, and for DataLen,
// which is len(data). The returned data is the caller's. After loginFail and loginDrop, cause
// says why.
func (l *login) step(h *pdu.Header, data []byte, resp *pdu.Header) ([]byte, loginAction) {
	if l.ended {
		return nil, loginDrop
	}
	r := resp.InitLoginResponse()
	r.SetVersions(pdu.Version, pdu.Version)
	r.SetITT(h.ITT())
	if h.Opcode() != pdu.OpLoginRequest {
		if l.requests == 0 {
			l.end(fail(pdu.LoginInvalidRequest, "connection starts with %v", h.Opcode()))
			return nil, loginDrop
		}
		r.SetISID(l.req.isid)
		r.SetTSIH(l.req.tsih)
		return l.fail(r, fail(pdu.LoginInvalidRequest, "%v during login", h.Opcode()))
	}

	req := h.LoginRequest()
	r.SetISID(req.ISID())
	r.SetTSIH(req.TSIH())
	if err := l.check(req, len(data)); err != nil {
		return l.fail(r, err)
	}
	out, transit, err := l.converse(req, data)
	if err != nil {
		return l.fail(r, err)
	}
	r.SetContinue(len(l.out) > 0)
	r.SetStages(l.stage, 0, false)
	if !transit {
		return out, loginReply
	}
	if req.NSG() == pdu.StageFullFeature {
		tsih, err := l.admit()
		if err != nil {
			return l.fail(r, err)
		}
		r.SetTSIH(tsih)
		l.ended = true
	}
	r.SetStages(l.stage, req.NSG(), true)
	if l.stage = req.NSG(); l.ended {
		return out, loginDone
	}
	return out, loginReply
}

// cause returns why the login failed, for logs; nil if it did not.
func (l *login) cause() error { return l.err }

// check applies the rules for the header of a request (RFC 7143 11.12).
func (l *login) check(req pdu.LoginRequest, n int) error {
	first := l.requests == 0
	if l.requests++; l.requests > maxLoginRequests {
		return fail(pdu.LoginInitiatorError, "more than %d login requests", maxLoginRequests)
	}
	versions := [2]uint8{req.VersionMax(), req.VersionMin()}
	if first {
		if req.VersionMin() > pdu.Version {
			return fail(pdu.LoginBadVersion, "version %d or higher is asked for", req.VersionMin())
		}
		l.versions = versions
		l.stage = req.CSG()
		l.req = loginRequest{
			isid: req.ISID(), tsih: req.TSIH(), cid: req.CID(),
			cmdSN: req.CmdSN(), expStatSN: req.ExpStatSN(),
		}
	}
	switch {
	case req.AHSLen() != 0:
		return fail(pdu.LoginInitiatorError, "login request with additional header segments")
	case n > maxLoginData:
		return fail(pdu.LoginInitiatorError, "login request with %d bytes of data", n)
	case versions != l.versions:
		return fail(pdu.LoginInitiatorError, "login request with other versions than the first")
	case req.ISID() != l.req.isid, req.TSIH() != l.req.tsih, req.CID() != l.req.cid:
		return fail(pdu.LoginInitiatorError, "login request with another ISID, TSIH or CID than the first")
	case req.CSG() != pdu.StageSecurity && req.CSG() != pdu.StageOperational:
		return fail(pdu.LoginInitiatorError, "login request in %v", req.CSG())
	case req.CSG() != l.stage:
		return fail(pdu.LoginInitiatorError, "login request in %v instead of %v", req.CSG(), l.stage)
	case req.Transit() && req.Continue():
		return fail(pdu.LoginInitiatorError, "login request with T and C")
	case req.Transit() && req.NSG() != pdu.StageOperational && req.NSG() != pdu.StageFullFeature,
		req.Transit() && req.NSG() <= req.CSG():
		return fail(pdu.LoginInitiatorError, "login request for the step from %v to %v", req.CSG(), req.NSG())
	}
	return nil
}

// converse takes the text of a request, or what there is of it, and returns the text for the
// response, and whether the stage is left.
func (l *login) converse(req pdu.LoginRequest, data []byte) (out []byte, transit bool, err error) {
	if len(l.out) > 0 {
		// The initiator has to hear the target out (RFC 7143 6.2).
		if len(data) > 0 || req.Continue() {
			return nil, false, fail(pdu.LoginInitiatorError, "text before the target has finished its own")
		}
	} else {
		text, complete, err := l.in.add(data, req.Continue())
		if err != nil {
			return nil, false, failFor(pdu.LoginInitiatorError, "login request", err)
		}
		if !complete {
			return nil, false, nil
		}
		if l.out, err = l.answer(text); err != nil {
			return nil, false, err
		}
	}
	out, l.out = cutText(l.out, min(maxLoginData, l.neg.params.MaxXmitDataSegmentLength))
	return out, req.Transit() && len(l.out) == 0 && !l.neg.pending(), nil
}

// answer reads a complete text and returns what there is to be said to it.
func (l *login) answer(text []byte) (out []byte, err error) {
	if l.pairs, err = parsePairs(l.pairs[:0], text); err != nil {
		return nil, failFor(pdu.LoginInitiatorError, "login request", err)
	}
	defer clear(l.pairs)
	l.neg.phase = phaseSecurity
	if l.stage == pdu.StageOperational {
		l.neg.phase = phaseOperational
	}
	if !l.named {
		l.named = true
		l.neg.phase |= phaseFirst
		if out, err = l.begin(); err != nil {
			return nil, err
		}
	}
	owed := l.neg.pending()
	if out, err = l.neg.answer(out, l.pairs); err != nil {
		return nil, err
	}
	if owed && l.neg.pending() {
		return nil, fail(pdu.LoginInitiatorError, "a proposal of the target is not answered")
	}
	if l.stage == pdu.StageOperational {
		if !l.declared {
			l.declared = true
			n := l.neg.want.MaxRecvDataSegmentLength
			l.neg.params.MaxRecvDataSegmentLength = n
			out = appendPair(out, keyTable[keyMaxRecvDataSegmentLength].name, strconv.Itoa(n))
		}
		out = l.neg.propose(out)
	}
	return out, nil
}

// begin reads who wants what from the first text and asks the owner about it. It returns
// what the target declares of itself.
func (l *login) begin() (out []byte, err error) {
	if err := l.neg.names(l.pairs); err != nil {
		return nil, err
	}
	said := &l.neg.said
	switch {
	case said.initiatorName == "":
		return nil, fail(pdu.LoginMissingParameter, "InitiatorName is missing")
	case said.targetName == "" && !said.discovery:
		return nil, fail(pdu.LoginMissingParameter, "TargetName is missing")
	case l.req.tsih != 0 && said.discovery:
		return nil, fail(pdu.LoginCannotInclude, "a discovery session has one connection")
	}
	l.req.initiatorName, l.req.targetName, l.req.discovery = said.initiatorName, said.targetName, said.discovery

	terms, status := l.owner.begin(&l.req)
	if status != pdu.LoginSuccess {
		return nil, fail(status, "login is refused: %v", status)
	}
	l.neg.setOffer(terms.offer)
	if l.req.tsih != 0 {
		l.neg.leading = false
		if terms.sessionParams != nil {
			l.neg.params = terms.sessionParams.newConnection()
		}
	}
	if said.discovery {
		return nil, nil
	}
	// RFC 7143 13.9 wants the tag in the first response.
	out = appendPair(nil, keyTable[keyTargetPortalGroupTag].name, strconv.Itoa(int(terms.portalGroupTag)))
	if terms.targetAlias != "" {
		out = appendPair(out, keyTable[keyTargetAlias].name, cutAlias(terms.targetAlias))
	}
	return out, nil
}

// admit ends the negotiation and asks the owner for the session.
func (l *login) admit() (tsih uint16, err error) {
	if err := l.neg.complete(); err != nil {
		return 0, err
	}
	l.req.initiatorAlias = l.neg.said.initiatorAlias
	tsih, status := l.owner.admit(&l.req, &l.neg.params)
	if status != pdu.LoginSuccess {
		return 0, fail(status, "login is refused: %v", status)
	}
	return tsih, nil
}

// fail ends the login with the status that err carries.
func (l *login) fail(r pdu.LoginResponse, err error) ([]byte, loginAction) {
	l.end(err)
	r.SetContinue(false)
	r.SetStages(l.stage, 0, false)
	status := pdu.LoginTargetError
	var e *statusError
	if errors.As(err, &e) {
		status = e.status
	}
	r.SetStatus(status)
	return nil, loginFail
}

// end makes the login one that has failed, and lets go of what it holds.
func (l *login) end(err error) {
	l.err, l.ended = err, true
	l.in.reset()
	l.out, l.pairs = nil, nil
}

// cutAlias shortens an alias to what the standard allows, between two characters.
func cutAlias(s string) string {
	if len(s) <= maxAliasLen {
		return s
	}
	n := maxAliasLen
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
