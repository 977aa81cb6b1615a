package load

import (
	"fmt"
	"time"

	"github.com/goscst/goscst/internal/bench/wire"
)

// consume looks at the whole PDUs of what was received by now.
func (c *conn) consume(now time.Duration) error {
	done := 0
	for c.have-done >= wire.HeaderLen {
		h := wire.Header(c.in[done:c.have])
		size := h.Len()
		if size > len(c.in) {
			return fmt.Errorf("a PDU of %d bytes", size)
		}
		if size > len(h) {
			break
		}
		if err := c.receive(h[:size], now); err != nil {
			return err
		}
		done += size
	}
	if done > 0 {
		c.have = copy(c.in, c.in[done:c.have])
	}
	return nil
}

// aside takes what may come at any time and is for no command: a ping, or the news of a logical
// unit, which a command is told, too. It reports whether h is that.
func (c *conn) aside(h wire.Header) (bool, error) {
	switch {
	case h.Op() == wire.OpNopIn:
		return true, c.nop(h)
	case h.Op() == wire.OpAsync && h[36] == 0:
		c.note(h)
		return true, nil
	}
	return false, nil
}

// receive takes one PDU.
func (c *conn) receive(h wire.Header, now time.Duration) error {
	if ok, err := c.aside(h); ok {
		return err
	}
	switch h.Op() {
	case wire.OpDataIn, wire.OpResponse, wire.OpR2T:
	default:
		return unexpected(h)
	}
	tag := h.Get(wire.Tag)
	if int(tag&0xffff) >= len(c.tasks) || c.tasks[tag&0xffff].tag != tag || c.tasks[tag&0xffff].start == never {
		return unexpected(h)
	}
	t := &c.tasks[tag&0xffff]
	switch {
	case h.Op() == wire.OpR2T:
		return c.dataOut(h, t)
	case h.Op() == wire.OpDataIn:
		if err := c.dataIn(h, t); err != nil || h[1]&wire.HasStatus == 0 {
			return err
		}
		t.bad = t.bad || h[3] != 0
	default:
		t.bad = t.bad || h[2] != 0 || h[3] != 0 || h[1]&(wire.Underflow|wire.Overflow) != 0
	}
	c.note(h)
	if t.bad || !t.write && t.got != c.cfg.Block {
		c.errors++
	}
	c.latency.add(now-t.start, 1)
	c.windows.add(now)
	t.start = never
	c.idle = append(c.idle, uint16(tag))
	return nil
}

// dataIn takes a part of what a command reads. Parts come in order (DataPDUInOrder).
func (c *conn) dataIn(h wire.Header, t *task) error {
	n := h.DataLen()
	if t.write || int(h.Get(wire.Offset)) != t.got || n > c.cfg.Block-t.got {
		return fmt.Errorf("%d bytes at offset %d, where %d of %d are read", n, h.Get(wire.Offset), t.got, c.cfg.Block)
	}
	if c.cfg.Verify && !holds(h[h.DataAt():h.DataAt()+n], t.place*uint64(c.cfg.Block)+uint64(t.got)) {
		t.bad = true
	}
	t.got += n
	return nil
}

// dataOut sends what the target asks for, each PDU with a write of its own.
func (c *conn) dataOut(r wire.Header, t *task) error {
	at, left := uint64(r.Get(wire.Offset)), uint64(r.Get(wire.Desired))
	if !t.write || left == 0 || at+left > uint64(c.cfg.Block) {
		return fmt.Errorf("%d bytes at offset %d are asked for, of a command with %d", left, at, c.cfg.Block)
	}
	h := c.head
	for sn := uint32(0); left > 0; sn++ {
		n := min(left, uint64(c.params.segment))
		clear(h)
		h[0] = wire.OpDataOut
		setLUN(h, t.lun)
		if n == left {
			h[1] = wire.Final
		}
		h.SetDataLen(int(n))
		h.Put(wire.Tag, t.tag)
		h.Put(wire.TTT, r.Get(wire.TTT))
		h.Put(wire.ExpStat, c.stat)
		h.Put(wire.DataSN, sn)
		h.Put(wire.Offset, uint32(at))
		vec := append(c.vec[:0], h, c.payload(t, int(at), int(n)))
		if pad := wire.Pad(int(n)) - int(n); pad > 0 {
			vec = append(vec, c.pad[:pad])
		}
		if err := c.sock.Writev(vec); err != nil {
			return err
		}
		at, left = at+n, left-n
	}
	return nil
}

// nop answers a NOP-In that wants an answer (RFC 7143 11.19).
func (c *conn) nop(r wire.Header) error {
	if r.Get(wire.Tag) != wire.NoTag {
		return unexpected(r)
	}
	c.maxCmd = r.Get(wire.MaxCmd)
	if r.Get(wire.TTT) == wire.NoTag {
		return nil
	}
	h := wire.Header(make([]byte, wire.HeaderLen))
	h[0], h[1] = wire.OpNopOut|wire.Immediate, wire.Final
	copy(h[8:16], r[8:16]) // LUN
	h.Put(wire.Tag, wire.NoTag)
	h.Put(wire.TTT, r.Get(wire.TTT))
	h.Put(wire.CmdSN, c.cmd)
	h.Put(wire.ExpStat, c.stat)
	_, err := c.sock.Write(h)
	return err
}
