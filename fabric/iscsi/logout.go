package iscsi

import (
	"time"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// logoutRequest takes a Logout Request (RFC 7143 11.14). With one connection, to close it
// closes the session.
func (c *conn) logoutRequest(h *pdu.Header) error {
	p := h.LogoutRequest()
	result := pdu.LogoutClosed
	switch p.Reason() {
	case pdu.LogoutCloseSession:
	case pdu.LogoutCloseConnection:
		if p.CID() != c.sess.cid {
			result = pdu.LogoutCIDNotFound
		}
	case pdu.LogoutForRecovery: // ErrorRecoveryLevel is not 2
		result = pdu.LogoutNoRecovery
	default:
		return c.reject(h, pdu.RejectInvalidField)
	}
	c.accept(h)
	if result == pdu.LogoutClosed {
		c.ending, c.logout = true, *h
		return errLoggedOut
	}
	c.send(c.logoutResponse(h, result))
	return nil
}

func (c *conn) logoutResponse(h *pdu.Header, result pdu.LogoutResult) *outPDU {
	p := new(outPDU)
	if !h.Immediate() {
		p.frees = 1
	}
	r := p.hdr.InitLogoutResponse(result)
	r.SetITT(h.ITT())
	r.SetTimes(uint16(c.par.DefaultTime2Wait), uint16(c.par.DefaultTime2Retain))
	return p
}

// finishLogout ends the session before it answers: what the initiator started is over
// when it gets the response. It runs on the reader, which reads no more.
func (c *conn) finishLogout() {
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	c.releaseHeld()
	c.sess.end(errLoggedOut)
	select {
	case <-c.sess.closed:
	case <-c.down: // nobody is left to be answered
		return
	}
	p := c.logoutResponse(&c.logout, pdu.LogoutClosed)
	left := make(chan struct{})
	p.last, p.sent = true, func(error) { close(left) }
	c.send(p)
	select {
	case <-left:
		c.linger()
	case <-c.down:
	}
}

// requestLogout asks the initiator to log out within the given time
// (RFC 7143 11.9.1).
func (c *conn) requestLogout(within time.Duration) {
	p := new(outPDU)
	seconds := min(max(1, int64(within/time.Second)), 0xFFFF)
	p.hdr.InitAsync(pdu.AsyncLogout).SetParams(0, 0, uint16(seconds))
	c.send(p)
}
