package load

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goscst/goscst/internal/bench/wire"
)

// patience bounds every wait for the target.
const patience = 20 * time.Second

// What the generator offers (RFC 7143 13), in bytes.
const (
	segment    = 256 << 10
	firstBurst = 64 << 10
)

// params are what was agreed on.
type params struct {
	segment    int // bytes of a data segment that the target takes
	firstBurst int // bytes of data without a request for them
	immediate  bool
}

// dial opens session number id and makes the logical unit ready for commands.
func dial(ctx context.Context, cfg *Config, id int) (*conn, error) {
	s, err := wire.Dial(ctx, cfg.Addr, wire.Options{Patience: patience, Alone: cfg.Alone})
	if err != nil {
		return nil, cause(ctx, err)
	}
	c := newConn(cfg, id, s)
	c.release = s.Until(ctx)
	err = c.login(id)
	if err == nil {
		err = c.ready(uint64(id))
	}
	if err == nil {
		err = c.hang()
	}
	if err != nil {
		c.close()
		return nil, cause(ctx, err)
	}
	return c, nil
}

// cause returns why ctx has ended, or err if it has not.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// login goes through both stages (RFC 7143 6.3).
func (c *conn) login(id int) error {
	stages := []struct {
		flags byte
		text  []string
	}{
		{wire.Transit | wire.StageParams, []string{
			"InitiatorName=iqn.2026-11.io.github.goscst:load" + c.cfg.Initiator + strconv.Itoa(id), "TargetName=" + c.cfg.Target,
			"SessionType=Normal", "AuthMethod=None",
		}},
		{wire.Transit | wire.StageParams<<2 | wire.StageFull, []string{
			"HeaderDigest=None", "DataDigest=None", "InitialR2T=No", "ImmediateData=Yes",
			fmt.Sprint("MaxRecvDataSegmentLength=", segment), fmt.Sprint("MaxBurstLength=", segment),
			fmt.Sprint("FirstBurstLength=", firstBurst), "MaxOutstandingR2T=1", "MaxConnections=1",
			"DataPDUInOrder=Yes", "DataSequenceInOrder=Yes", "ErrorRecoveryLevel=0",
			"DefaultTime2Wait=2", "DefaultTime2Retain=0",
		}},
	}
	for _, stage := range stages {
		text := strings.Join(stage.text, "\x00") + "\x00"
		for done := false; !done; text = "" {
			h, answer, err := c.loginPDU(stage.flags, text, id)
			if err != nil {
				return err
			}
			if err := c.negotiated(string(answer)); err != nil {
				return err
			}
			done = h[1]&wire.Transit != 0
			if c.rounds++; c.rounds > 8 {
				return fmt.Errorf("the login does not end")
			}
		}
	}
	return nil
}

// loginPDU sends a login PDU and returns its answer.
func (c *conn) loginPDU(flags byte, text string, id int) (h wire.Header, answer []byte, err error) {
	b := make([]byte, wire.HeaderLen+wire.Pad(len(text)))
	h = wire.Header(b)
	h[0], h[1] = wire.OpLogin|wire.Immediate, flags
	h.SetDataLen(len(text))
	h[8], h[10], h[11], h[12], h[13] = 0x80, 0x12, 0x34, byte(id>>8), byte(id) // ISID: random format
	h[14], h[15] = byte(c.tsih>>8), byte(c.tsih)
	h.Put(wire.CmdSN, 1)
	h.Put(wire.ExpStat, c.stat)
	copy(b[wire.HeaderLen:], text)
	if _, err := c.sock.Write(b); err != nil {
		return nil, nil, err
	}
	b, err = c.sock.ReadPDU(c.in)
	if err != nil {
		return nil, nil, err
	}
	h = wire.Header(b)
	switch {
	case h.Op() != wire.OpLoginResp:
		return nil, nil, fmt.Errorf("opcode %02xh in answer to a login", h.Op())
	case h[36] != 0:
		return nil, nil, fmt.Errorf("login refused with status %02x%02xh", h[36], h[37])
	case h[1]&wire.Continue != 0:
		return nil, nil, fmt.Errorf("the target's answer does not fit into one PDU")
	}
	c.tsih = uint16(h[14])<<8 | uint16(h[15])
	c.cmd = h.Get(wire.ExpCmd)
	c.note(h)
	return h, b[h.DataAt() : h.DataAt()+h.DataLen()], nil
}

// negotiated takes over what the target answered. A key that it says nothing about keeps its
// default (RFC 7143 13).
func (c *conn) negotiated(text string) error {
	for pair := range strings.SplitSeq(text, "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		var n *int
		switch key {
		case "MaxRecvDataSegmentLength":
			n = &c.params.segment
		case "FirstBurstLength":
			n = &c.params.firstBurst
		case "ImmediateData":
			c.params.immediate = value == "Yes"
		case "HeaderDigest", "DataDigest":
			if value != "None" {
				return fmt.Errorf("the target wants %s", pair)
			}
		}
		if n == nil {
			continue
		}
		v, err := strconv.ParseInt(value, 0, 32)
		if err != nil || v < 512 {
			return fmt.Errorf("the target wants %q", pair)
		}
		*n = int(v)
	}
	return nil
}

// ready waits for the logical units and asks for the size of the first, which the connections
// share.
func (c *conn) ready(id uint64) error {
	if err := c.settle(int(c.cfg.LUN), max(c.cfg.LUNs, 1)); err != nil {
		return err
	}
	var status byte
	var data []byte
	for try := 0; try < settleTries && (try == 0 || status != 0); try++ { // a LUN map may change meanwhile
		var err error
		status, data, err = c.simple(c.cfg.LUN, []byte{wire.ReadCapacity, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8)
		if err != nil {
			return err
		}
	}
	if status != 0 || len(data) != 8 {
		return fmt.Errorf("READ CAPACITY (10) ends with status %02xh and %d bytes", status, len(data))
	}
	h := wire.Header(data)
	size := int(h.Get(4))
	if size < 512 || c.cfg.Block%size != 0 {
		return fmt.Errorf("blocks of %d bytes, commands of %d", size, c.cfg.Block)
	}
	c.unit = uint32(c.cfg.Block / size)
	c.places = (uint64(h.Get(0)) + 1) / uint64(c.unit) // READ (10) reaches no further
	if c.places == 0 || c.unit > 0xffff {
		return fmt.Errorf("commands of %d bytes do not fit a logical unit of %d blocks", c.cfg.Block, uint64(h.Get(0))+1)
	}
	conns := uint64(c.cfg.Conns)
	c.share = (c.places + conns - 1) / conns
	c.next = min(id*c.share, c.places)
	return nil
}

// simple does one command that reads at most n bytes, and nothing beside it.
func (c *conn) simple(lun uint8, cdb []byte, n int) (status byte, data []byte, err error) {
	const tag = 1
	h := wire.Header(make([]byte, wire.HeaderLen))
	h[0], h[1] = wire.OpCommand, wire.Final|wire.AttrSimple
	setLUN(h, int(lun))
	if n > 0 {
		h[1] |= wire.FlagRead
	}
	h.Put(wire.Tag, tag)
	h.Put(wire.Expected, uint32(n))
	h.Put(wire.CmdSN, c.cmd)
	h.Put(wire.ExpStat, c.stat)
	copy(h[wire.CDB:], cdb)
	c.cmd++
	if _, err := c.sock.Write(h); err != nil {
		return 0, nil, err
	}
	for range 64 {
		b, err := c.sock.ReadPDU(c.in)
		if err != nil {
			return 0, nil, err
		}
		h := wire.Header(b)
		if ok, err := c.aside(h); err != nil {
			return 0, nil, err
		} else if ok {
			continue
		}
		switch {
		case h.Op() == wire.OpDataIn && h.Get(wire.Tag) == tag:
			data = append(data, b[h.DataAt():h.DataAt()+h.DataLen()]...)
			if h[1]&wire.HasStatus != 0 {
				c.note(h)
				return h[3], data, nil
			}
		case h.Op() == wire.OpResponse && h.Get(wire.Tag) == tag:
			c.note(h)
			status = h[3]
			if h[2] != 0 { // the target failed, not the command
				status = 0xff
			}
			return status, data, nil
		default:
			return 0, nil, unexpected(h)
		}
	}
	return 0, nil, fmt.Errorf("the answer to a command does not end")
}
