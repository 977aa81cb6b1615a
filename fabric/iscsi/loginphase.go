package iscsi

import (
	"io"
	"net"
	"time"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// logIn takes the connection through the login phase. It reads PDU by PDU, so that nothing
// of full-feature phase is read ahead, into memory that is bounded whatever the
// initiator announces.
func (c *conn) logIn() error {
	if t := c.srv.opt.LoginTimeout; t > 0 {
		now := time.Now()
		c.login.until = now.Add(t - t/8) // some is left for the answer
		_ = c.nc.SetDeadline(now.Add(t)) // a closed connection fails below
	}
	l := newLogin(c)
	var h, resp pdu.Header
	var data []byte
	for first := true; ; first = false {
		var err error
		if data, err = c.readLogin(&h, data[:0]); err != nil {
			return loginError(err)
		}
		if first {
			c.tx.statSN = h.Request().ExpStatSN()
		}
		out, action := l.step(&h, data, &resp)
		if action == loginDrop {
			return orErr(l.cause(), errLoginRefused)
		}
		if err := c.writeLogin(&h, &resp, out, action); err != nil {
			return loginError(err)
		}
		switch action {
		case loginFail:
			c.linger()
			return orErr(l.cause(), errLoginRefused)
		case loginDone:
			c.text = newExchange(l, c)
			c.maxData.Store(int64(c.par.MaxXmitDataSegmentLength))
			c.srv.loggedIn(c)
			return c.nc.SetDeadline(time.Time{})
		}
	}
}

// readLogin reads the header and the data segment of a PDU.
func (c *conn) readLogin(h *pdu.Header, data []byte) ([]byte, error) {
	if _, err := io.ReadFull(c.nc, h[:]); err != nil {
		return nil, err
	}
	n := h.DataLen()
	if h.Opcode() != pdu.OpLoginRequest || h.AHSLen() != 0 || n > maxLoginData {
		return nil, nil // the login fails, whatever follows
	}
	if data == nil {
		data = make([]byte, 0, maxLoginData+3)
	}
	data = data[:h.PaddedDataLen()]
	if _, err := io.ReadFull(c.nc, data); err != nil {
		return nil, err
	}
	return data[:n], nil
}

// writeLogin sends a Login Response.
func (c *conn) writeLogin(h, resp *pdu.Header, out []byte, action loginAction) error {
	r := resp.LoginResponse()
	r.SetStatSN(c.nextStatSN())
	sn := h.Request().CmdSN()
	if action == loginDone {
		sn = c.expCmdSN.Load()
		r.SetWindow(sn, c.maxCmdSN.Load())
	} else {
		r.SetWindow(sn, sn)
	}
	resp.SetDataLen(len(out))
	b := make([]byte, 0, pdu.HeaderLen+len(out)+3)
	b = append(b, resp[:]...)
	b = append(b, out...)
	b = append(b, make([]byte, pdu.Pad(len(out)))...)
	_, err := c.nc.Write(b)
	return err
}

// firstSN starts the command order: the number of the login's requests is that of the
// first command (RFC 7143 11.12.9).
func (c *conn) firstSN(r *loginRequest) {
	c.tx.firstCmdSN = r.cmdSN
	c.expCmdSN.Store(r.cmdSN)
	limit := uint32(1)
	if c.nx != nil {
		limit = uint32(max(1, c.nx.QueueLimit()))
	}
	c.limit.Store(limit)
	c.maxCmdSN.Store(r.cmdSN + limit - 1)
}

// lingerTime is how long a connection that is about to be closed waits for its peer to
// close it first.
const lingerTime = 2 * time.Second

// linger lets the last PDU reach the initiator: to close a socket with input that has not
// been read would throw away what is on its way out.
func (c *conn) linger() {
	w, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	var scrap [4096]byte
	for range lingerReads {
		if _, err := c.nc.Read(scrap[:]); err != nil {
			return
		}
	}
}

// lingerReads bounds what linger reads.
const lingerReads = 256

// loginError gives an expired deadline a name.
func loginError(err error) error {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return errLoginTimeout
	}
	return err
}
