package iscsi

import "github.com/goscst/goscst/fabric/iscsi/internal/pdu"

// maxImmediates bounds the immediate commands and task management functions of a
// connection that are in progress, which the command window does not.
const maxImmediates = 64

// dispatch handles a PDU: now, later if its turn in the command order has not come, or
// never. If its data segment is not whole, the handler says where the rest of it goes, and
// by default it is dropped. An error ends the connection.
func (c *conn) dispatch(h *pdu.Header, ahs []byte, seg segment) error {
	op := h.Opcode()
	if op == pdu.OpDataOut {
		if c.nx == nil {
			return c.reject(h, pdu.RejectNotSupported)
		}
		if held := c.held.command(h.ITT()); held != nil {
			return c.holdDataOut(held, h, seg)
		}
		return c.dataOutPDU(h, seg)
	}
	if reason := c.checkRequest(h, op); reason != pdu.RejectNone {
		return c.reject(h, reason)
	}
	if ordered(h, op) {
		switch c.turn(h.Request().CmdSN()) {
		case turnNever: // RFC 7143 4.2.2.1 wants it ignored
			c.stats.ignored++
			return nil
		case turnLater:
			return c.hold(h, ahs, seg)
		}
	}
	if err := c.handle(h, ahs, seg); err != nil || c.held.empty() {
		return err
	}
	return c.release()
}

// checkRequest says why a request is to be rejected, from its header.
func (c *conn) checkRequest(h *pdu.Header, op pdu.Opcode) pdu.RejectReason {
	if reason := pdu.CheckRequest(h); reason != pdu.RejectNone {
		return reason
	}
	switch op {
	case pdu.OpLoginRequest: // the login is over
		return pdu.RejectProtocolError
	case pdu.OpSNACK: // ErrorRecoveryLevel is 0
		return pdu.RejectSNACK
	case pdu.OpSCSICommand, pdu.OpTaskRequest:
		if c.nx == nil { // a discovery session
			return pdu.RejectNotSupported
		}
	}
	return pdu.RejectNone
}

// ordered reports whether a request has a place in the command order. A NOP-Out without
// a tag has none, with or without the I bit (RFC 7143 11.18.1).
func ordered(h *pdu.Header, op pdu.Opcode) bool {
	return !h.Immediate() && !(op == pdu.OpNOPOut && h.ITT() == pdu.ReservedTag)
}

// handle handles a request whose turn it is.
func (c *conn) handle(h *pdu.Header, ahs []byte, seg segment) error {
	op := h.Opcode()
	if op == pdu.OpSCSICommand {
		return c.command(h, ahs, seg)
	}
	if !seg.whole {
		c.collect(ahs, seg.n)
		return nil
	}
	if seg.bad { // the request has not been received (RFC 7143 7.3, 7.8)
		c.stats.digestErrors++
		return c.reject(h, pdu.RejectDataDigest)
	}
	switch op {
	case pdu.OpNOPOut:
		return c.nopOut(h, seg.data)
	case pdu.OpTaskRequest:
		return c.taskRequest(h)
	case pdu.OpTextRequest:
		return c.textRequest(h, seg.data)
	case pdu.OpLogoutReq:
		return c.logoutRequest(h)
	}
	return c.reject(h, pdu.RejectNotSupported)
}

// accept counts a request as received.
func (c *conn) accept(h *pdu.Header) {
	if !h.Immediate() {
		c.expCmdSN.Add(1)
	} else if op := h.Opcode(); op == pdu.OpSCSICommand || op == pdu.OpTaskRequest {
		c.immediates.Add(1)
	}
}

// reject answers a PDU with Reject, and goes on. A command that is rejected has not been
// received: its CmdSN is missing until the initiator fills the gap (RFC 7143 7.3).
func (c *conn) reject(h *pdu.Header, reason pdu.RejectReason) error {
	c.refuse(h, reason)
	return nil
}

// refuse sends a Reject for the PDU h (RFC 7143 11.17).
func (c *conn) refuse(h *pdu.Header, reason pdu.RejectReason) {
	c.stats.rejects++
	if reason == pdu.RejectDataDigest {
		c.stats.digestErrors++
	}
	c.noteViolation(reason)
	p := &outPDU{data: append([]byte(nil), h[:]...)}
	p.hdr.InitReject(reason)
	c.send(p)
}
