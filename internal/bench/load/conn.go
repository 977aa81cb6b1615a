package load

import (
	"fmt"
	"time"

	"github.com/goscst/goscst/internal/bench/wire"
)

// Lengths of receive buffers in bytes.
const (
	inSize   = 8 << 20  // more than the sockets hold
	idleSize = 64 << 10 // enough for logins and single commands
)

// conn is one session.
type conn struct {
	cfg     *Config
	sock    *wire.Socket
	release func() // ends the watch on the context
	params  params
	rounds  int // login PDUs that were answered
	tsih    uint16

	unit   uint32 // blocks of a command
	places uint64 // the logical unit, in commands
	share  uint64 // places that are this connection's, if ascending; the last has fewer

	cmd    uint32 // CmdSN of the next command
	maxCmd uint32
	stat   uint32 // the next status's number

	in   []byte
	have int    // bytes of in that are filled
	out  []byte // commands, and the data that go with them
	data []byte // what a write sends
	vec  [][]byte
	pad  [3]byte
	head wire.Header // of a Data-Out

	tasks []task
	idle  []uint16 // tasks that are not in progress
	sent  uint64   // commands
	next  uint64   // place, if ascending
	seed  uint64

	latency hist
	windows windows
	errors  uint64
}

// task is one of the commands that are in progress at once.
type task struct {
	tag   uint32 // unique while it is in progress
	lun   int
	place uint64
	write bool
	got   int // bytes that were read
	bad   bool
	start time.Duration // never: it is not in progress
}

const never time.Duration = -1

func newConn(cfg *Config, id int, s *wire.Socket) *conn {
	size := inSize
	if id >= cfg.Conns { // it does nothing
		idle := *cfg
		idle.Depth, idle.Writes, idle.LUNs = 1, 0, 0
		cfg, size = &idle, idleSize
	}
	c := &conn{
		cfg: cfg, sock: s, release: func() {},
		params: params{segment: 8192, firstBurst: 65536, immediate: true}, // the defaults of RFC 7143 13
		in:     make([]byte, size), data: make([]byte, cfg.Block),
		vec: make([][]byte, 3), head: make(wire.Header, wire.HeaderLen),
		out:   make([]byte, 0, cfg.Depth*(wire.HeaderLen+min(cfg.Block, firstBurst)+4)),
		tasks: make([]task, cfg.Depth), seed: word(uint64(id)) | 1, windows: newWindows(cfg.Window, cfg.Duration),
	}
	fill(c.data, 0)
	for i := range c.tasks {
		c.tasks[i] = task{tag: uint32(i) | 1<<16, start: never} // a high half of zero is for what is not counted
		c.idle = append(c.idle, uint16(i))
	}
	return c
}

// close ends the connection.
func (c *conn) close() {
	c.release()
	_ = c.sock.Close()
}

// run makes the load of this connection. Latencies are counted from start on.
func (c *conn) run(start time.Time) error {
	limit := uint64(c.cfg.Count)
	switch {
	case c.cfg.Once: // a share each
		limit = min(c.share, c.places-c.next)
	case limit == 0:
		limit = 1<<64 - 1
	}
	timed := c.cfg.Count == 0 && !c.cfg.Once
	for {
		now := time.Since(start)
		if timed && now >= c.cfg.Duration {
			limit = c.sent
		}
		if err := c.submit(limit, now); err != nil {
			return err
		}
		if len(c.idle) == len(c.tasks) && c.sent == limit {
			return nil
		}
		n, err := c.sock.Read(c.in[c.have:])
		if err != nil {
			return err
		}
		c.have += n
		if err := c.consume(time.Since(start)); err != nil {
			return err
		}
	}
}

// submit sends as many commands as are missing, in one write.
func (c *conn) submit(limit uint64, now time.Duration) error {
	c.out = c.out[:0]
	for len(c.idle) > 0 && c.sent < limit && int32(c.maxCmd-c.cmd) >= 0 {
		i := c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		c.sent++
		c.command(&c.tasks[i], now)
	}
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.sock.Write(c.out)
	return err
}

// command adds a command to the batch.
func (c *conn) command(t *task, now time.Duration) {
	t.place, t.write = c.choose()
	if t.tag += 1 << 16; t.tag >= 1<<31 {
		t.tag = t.tag&0xffff | 1<<16
	}
	t.start, t.got, t.bad = now, 0, false
	at := len(c.out)
	c.out = append(c.out, make([]byte, wire.HeaderLen)...) // extends in place: no allocation
	h := wire.Header(c.out[at:])
	h[0], h[1] = wire.OpCommand, wire.Final|wire.AttrSimple|wire.FlagRead
	t.lun = int(c.cfg.LUN)
	if c.cfg.LUNs > 1 {
		t.lun += int(c.random() % uint64(c.cfg.LUNs))
	}
	setLUN(h, t.lun)
	h.Put(wire.Tag, t.tag)
	h.Put(wire.Expected, uint32(c.cfg.Block))
	h.Put(wire.CmdSN, c.cmd)
	h.Put(wire.ExpStat, c.stat)
	c.cmd++
	cdb := wire.Header(h[wire.CDB:])
	cdb[0] = wire.Read10
	cdb.Put(2, uint32(t.place)*c.unit)
	cdb[7], cdb[8] = byte(c.unit>>8), byte(c.unit)
	if !t.write {
		return
	}
	cdb[0] = wire.Write10
	h[1] = wire.Final | wire.AttrSimple | wire.FlagWrite
	if c.params.immediate {
		n := min(c.cfg.Block, c.params.firstBurst, c.params.segment)
		h.SetDataLen(n)
		c.out = append(c.out, c.payload(t, 0, n)...)
		c.out = append(c.out, c.pad[:wire.Pad(n)-n]...)
	}
}

// choose returns the place of the next command and whether it is a write.
func (c *conn) choose() (place uint64, write bool) {
	if c.cfg.Random {
		place = c.random() % c.places
	} else {
		place = c.next % c.places
		c.next++
	}
	switch c.cfg.Writes {
	case 0:
		return place, false
	case 100:
		return place, true
	}
	return place, c.random()%100 < uint64(c.cfg.Writes)
}

// random steps a xorshift generator.
func (c *conn) random() uint64 {
	c.seed ^= c.seed << 13
	c.seed ^= c.seed >> 7
	c.seed ^= c.seed << 17
	return c.seed
}

// payload returns the n bytes at byte at of what t writes.
func (c *conn) payload(t *task, at, n int) []byte {
	if c.cfg.Verify {
		fill(c.data[at:at+n], t.place*uint64(c.cfg.Block)+uint64(at))
	}
	return c.data[at : at+n]
}

// note takes the numbers from a PDU with a status.
func (c *conn) note(h wire.Header) {
	c.stat = h.Get(wire.StatSN) + 1
	c.maxCmd = h.Get(wire.MaxCmd)
}

// unexpected is the error for a PDU that has no place here.
func unexpected(h wire.Header) error {
	switch h.Op() {
	case wire.OpReject:
		return fmt.Errorf("the target rejects a PDU, reason %02xh", h[2])
	case wire.OpAsync:
		return fmt.Errorf("the target sends an asynchronous message, event %d", h[36])
	}
	return fmt.Errorf("opcode %02xh, tag %08xh at a time when it makes no sense", h.Op(), h.Get(wire.Tag))
}

// setLUN names a logical unit, 0 to maxLUN (SAM-5 4.7).
func setLUN(h wire.Header, lun int) {
	if lun > 255 {
		h[8] = 0x40 // flat space addressing
	}
	h[8] |= byte(lun >> 8)
	h[9] = byte(lun)
}
