package iscsi

import "github.com/goscst/goscst/fabric/iscsi/internal/pdu"

// nopOut takes a NOP-Out (RFC 7143 11.18): a ping, whose data goes back as far as the
// initiator takes it, or the answer to one of the target's.
func (c *conn) nopOut(h *pdu.Header, data []byte) error {
	if h.ITT() == pdu.ReservedTag {
		// Any input shows that the initiator lives; that this answers a ping adds nothing.
		return nil
	}
	c.accept(h)
	p := &outPDU{data: append([]byte(nil), data[:min(len(data), c.maxXmit())]...)}
	if !h.Immediate() {
		p.frees = 1
	}
	p.hdr.InitNOPIn().SetITT(h.ITT())
	c.send(p)
	return nil
}

// ping sends a NOP-In that asks for an answer (RFC 7143 11.19).
func (c *conn) ping() {
	c.dmu.Lock()
	ttt := c.newTTT()
	c.dmu.Unlock()
	p := &outPDU{keepStatSN: true}
	p.hdr.InitNOPIn().SetTTT(ttt)
	c.send(p)
}

// tellWindow sends a NOP-In that asks for nothing and shows the command window
// (RFC 7143 4.2.2.1).
func (c *conn) tellWindow() {
	p := &outPDU{keepStatSN: true}
	p.hdr.InitNOPIn()
	c.send(p)
}
