package floor

import (
	"github.com/goscst/goscst/internal/bench/wire"
)

// conn is one connection.
type conn struct {
	sock    *wire.Socket
	in      []byte
	have    int // bytes of in that are filled
	medium  *medium
	cap     [8]byte
	headers []byte            // of the batch
	answers int               // headers in use
	out     [][]byte          // the batch
	pending map[uint32]*write // by initiator task tag
	stat    uint32
	cmd     uint32 // next CmdSN
}

// write is a write whose data are asked for.
type write struct {
	burst int // bytes to come of what was asked for
	at    int // where that ends
	total int
}

func newConn(s *wire.Socket, m *medium) *conn {
	c := &conn{
		sock: s, in: make([]byte, inSize), medium: m,
		headers: make([]byte, maxAnswer*wire.HeaderLen), out: make([][]byte, 0, 2*maxAnswer),
		pending: make(map[uint32]*write), stat: 1,
	}
	last := wire.Header(c.cap[:]) // READ CAPACITY (10) parameter data
	last.Put(0, m.blocks-1)
	last.Put(4, BlockSize)
	return c
}

// run answers until the connection ends, and returns why.
func (c *conn) run() error {
	for {
		n, err := c.sock.Read(c.in[c.have:])
		if err != nil {
			return err
		}
		c.have += n
		done := 0
		for c.have-done >= wire.HeaderLen {
			h := wire.Header(c.in[done:])
			size := h.Len()
			if size > len(c.in) {
				return errRequest
			}
			if size > c.have-done {
				break
			}
			if err := c.answer(h); err != nil {
				return err
			}
			done += size
			if c.answers > maxAnswer-maxData/segment {
				if err := c.flush(); err != nil {
					return err
				}
			}
		}
		if done > 0 {
			c.have = copy(c.in, c.in[done:c.have])
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
}

// flush sends the batch.
func (c *conn) flush() error {
	out := c.out
	c.out, c.answers = c.out[:0], 0
	return c.sock.Writev(out)
}

// header adds a header to the batch.
func (c *conn) header(op, flags byte, tag uint32) wire.Header {
	at := c.answers * wire.HeaderLen
	h := wire.Header(c.headers[at : at+wire.HeaderLen : at+wire.HeaderLen])
	c.answers++
	clear(h)
	h[0], h[1] = op, flags
	h.Put(wire.Tag, tag)
	h.Put(wire.ExpCmd, c.cmd)
	h.Put(wire.MaxCmd, c.cmd+window)
	c.out = append(c.out, h)
	return h
}

// number gives a header the number of a status.
func (c *conn) number(h wire.Header) {
	h.Put(wire.StatSN, c.stat)
	c.stat++
}

// answer adds what a PDU is answered with to the batch.
func (c *conn) answer(h wire.Header) error {
	tag := h.Get(wire.Tag)
	switch h.Op() {
	case wire.OpCommand:
		c.cmd = h.Get(wire.CmdSN) + 1
		return c.command(h, tag)
	case wire.OpDataOut:
		return c.dataOut(h, tag)
	case wire.OpLogin:
		c.cmd = h.Get(wire.CmdSN)
		c.login(h, tag)
	case wire.OpLogout:
		c.number(c.header(wire.OpLogoutRes, wire.Final, tag))
	case wire.OpNopOut:
		if tag != wire.NoTag {
			r := c.header(wire.OpNopIn, wire.Final, tag)
			r.Put(wire.TTT, wire.NoTag)
			c.number(r)
		}
	default:
		return errRequest
	}
	return nil
}

// login agrees to what is asked: the initiator is the load generator.
func (c *conn) login(h wire.Header, tag uint32) {
	text := security
	if h[1]>>2&3 == wire.StageParams {
		text = params
	}
	r := c.header(wire.OpLoginResp, h[1], tag)
	copy(r[8:14], h[8:14]) // ISID
	if text == params {
		r[15] = 1 // TSIH
	}
	r.SetDataLen(len(text))
	c.number(r)
	c.out = append(c.out, append([]byte(text), make([]byte, wire.Pad(len(text))-len(text))...))
}

func (c *conn) command(h wire.Header, tag uint32) error {
	total, sent := int(h.Get(wire.Expected)), h.DataLen()
	switch {
	case total > maxData:
		return errRequest
	case h[1]&wire.FlagRead != 0 && total > 0 && h[wire.CDB] == wire.ReadCapacity:
		c.dataIn(tag, c.cap[:min(total, len(c.cap))])
	case h[1]&wire.FlagRead != 0 && total > 0:
		data := c.medium.at(h.Get(wire.CDB+2), total)
		if data == nil {
			return errRequest
		}
		c.dataIn(tag, data)
	case h[1]&wire.FlagWrite != 0 && sent < total:
		if len(c.pending) > window {
			return errRequest
		}
		w := &write{at: sent, total: total}
		c.pending[tag] = w
		c.ask(w, tag)
	default:
		c.number(c.header(wire.OpResponse, wire.Final, tag))
	}
	return nil
}

// dataIn sends data, and the status with the last of them.
func (c *conn) dataIn(tag uint32, data []byte) {
	for at, sn := 0, uint32(0); at < len(data); sn++ {
		n := min(len(data)-at, segment)
		h := c.header(wire.OpDataIn, 0, tag)
		h.SetDataLen(n)
		h.Put(wire.TTT, wire.NoTag)
		h.Put(wire.DataSN, sn)
		h.Put(wire.Offset, uint32(at))
		c.out = append(c.out, data[at:at+n])
		if at += n; at == len(data) {
			h[1] = wire.Final | wire.HasStatus
			c.number(h)
		}
	}
}

// ask asks for the next burst of a write.
func (c *conn) ask(w *write, tag uint32) {
	w.burst = min(w.total-w.at, segment)
	h := c.header(wire.OpR2T, wire.Final, tag)
	h.Put(wire.TTT, tag)
	h.Put(wire.StatSN, c.stat)
	h.Put(wire.Offset, uint32(w.at))
	h.Put(wire.Desired, uint32(w.burst))
	w.at += w.burst
}

func (c *conn) dataOut(h wire.Header, tag uint32) error {
	w := c.pending[tag]
	if w == nil || h.DataLen() > w.burst {
		return errRequest
	}
	if w.burst -= h.DataLen(); w.burst > 0 {
		return nil
	}
	if w.at < w.total {
		c.ask(w, tag)
		return nil
	}
	delete(c.pending, tag)
	c.number(c.header(wire.OpResponse, wire.Final, tag))
	return nil
}
