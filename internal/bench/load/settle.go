package load

import (
	"fmt"

	"github.com/goscst/goscst/internal/bench/wire"
)

// Limits of settle.
const (
	settleBatch = 64 // logical units at once
	settleTries = 99 // of a command: all but the last take a unit attention, and a LUN map may change meanwhile
	maxAsides   = 64 // PDUs that are for no command
)

// settle sends TEST UNIT READY to each of n logical units until it says that it is ready: many at
// once, for there may be thousands.
func (c *conn) settle(lun, n int) error {
	end := lun + n
	for ; lun < end; lun += settleBatch {
		var todo []int
		for l := lun; l < min(lun+settleBatch, end); l++ {
			todo = append(todo, l)
		}
		var status byte
		for try := 0; len(todo) > 0; try++ {
			if try == settleTries {
				return fmt.Errorf("TEST UNIT READY to LUN %d ends with status %02xh", todo[0], status)
			}
			var err error
			if todo, status, err = c.testReady(todo); err != nil {
				return err
			}
		}
	}
	return nil
}

// testReady sends TEST UNIT READY to some logical units, and returns those that are not ready and
// the last status of one of them.
func (c *conn) testReady(luns []int) (left []int, status byte, err error) {
	for len(luns) > 0 {
		n := min(len(luns), max(int(int32(c.maxCmd-c.cmd))+1, 1)) // the command window
		b := make([]byte, 0, n*wire.HeaderLen)
		for i, lun := range luns[:n] {
			h := wire.Header(make([]byte, wire.HeaderLen)) // the CDB is zeroes
			h[0], h[1] = wire.OpCommand, wire.Final|wire.AttrSimple
			setLUN(h, lun)
			h.Put(wire.Tag, uint32(i))
			h.Put(wire.CmdSN, c.cmd)
			h.Put(wire.ExpStat, c.stat)
			c.cmd++
			b = append(b, h...)
		}
		if _, err := c.sock.Write(b); err != nil {
			return nil, 0, err
		}
		bad, last, err := c.statuses(luns[:n])
		if err != nil {
			return nil, 0, err
		}
		if left = append(left, bad...); len(bad) > 0 {
			status = last
		}
		luns = luns[n:]
	}
	return left, status, nil
}

// statuses receives the ends of commands, whose tags are the indexes of luns.
func (c *conn) statuses(luns []int) (bad []int, status byte, err error) {
	seen := make([]bool, len(luns))
	for asides, n := 0, 0; n < len(luns); {
		b, err := c.sock.ReadPDU(c.in)
		if err != nil {
			return nil, 0, err
		}
		h := wire.Header(b)
		if ok, err := c.aside(h); err != nil {
			return nil, 0, err
		} else if ok {
			if asides++; asides > maxAsides {
				return nil, 0, unexpected(h)
			}
			continue
		}
		i := h.Get(wire.Tag)
		if h.Op() != wire.OpResponse || i >= uint32(len(luns)) || seen[i] {
			return nil, 0, unexpected(h)
		}
		seen[i] = true
		n++
		c.note(h)
		if h[2] != 0 { // the target failed, not the command
			h[3] = 0xff
		}
		if h[3] != 0 {
			bad, status = append(bad, luns[i]), h[3]
		}
	}
	return bad, status, nil
}
