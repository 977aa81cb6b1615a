package iscsi

import "github.com/goscst/goscst/fabric/iscsi/internal/pdu"

// textRequest takes a Text Request in full-feature phase (RFC 7143 11.10).
func (c *conn) textRequest(h *pdu.Header, data []byte) error {
	p := new(outPDU)
	out, reason := c.text.step(h, data, &p.hdr)
	if reason != pdu.RejectNone {
		return c.reject(h, reason)
	}
	c.accept(h)
	c.maxData.Store(int64(c.text.params().MaxXmitDataSegmentLength))
	p.data = out
	if !h.Immediate() {
		p.frees = 1
	}
	c.send(p)
	return nil
}
