package load

import "github.com/goscst/goscst/internal/bench/wire"

// hang sends Config.Hang commands that are never to be answered: their tags are nobody's, so that
// an answer ends the run.
func (c *conn) hang() error {
	if c.cfg.Hang == 0 {
		return nil
	}
	if err := c.settle(int(c.cfg.HangLUN), 1); err != nil {
		return err
	}
	c.out = c.out[:0]
	for i := range c.cfg.Hang {
		h := wire.Header(make([]byte, wire.HeaderLen))
		h[0], h[1], h[9] = wire.OpCommand, wire.Final|wire.AttrSimple|wire.FlagRead, c.cfg.HangLUN
		h.Put(wire.Tag, uint32(i)|1<<31)
		h.Put(wire.Expected, 4096)
		h.Put(wire.CmdSN, c.cmd)
		h.Put(wire.ExpStat, c.stat)
		cdb := wire.Header(h[wire.CDB:])
		cdb[0], cdb[8] = wire.Read10, 4096/512
		c.cmd++
		c.out = append(c.out, h...)
	}
	_, err := c.sock.Write(c.out)
	return err
}
