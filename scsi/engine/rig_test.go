package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// rig is an engine whose handlers do what the test says and whose endpoints write down
// what they are asked.
type rig struct {
	tb       testing.TB
	e        *engine.Engine
	mu       sync.Mutex
	log      []string                 // guarded by mu
	returns  []string                 // guarded by mu
	pending  map[uint64]scsi.Pending  // guarded by mu; deferred commands by tag
	live     map[uint64]*scsi.Command // guarded by mu; commands of which the endpoint holds something
	contexts map[uint64]context.Context
	sessions map[string]*rigSession
	devices  map[string]*rigDevice
	target   *engine.Target
}

func newRig(tb testing.TB) *rig {
	r := &rig{
		tb: tb, e: engine.New(nil), pending: make(map[uint64]scsi.Pending), live: make(map[uint64]*scsi.Command),
		contexts: make(map[uint64]context.Context), sessions: make(map[string]*rigSession), devices: make(map[string]*rigDevice),
	}
	var err error
	if r.target, err = r.e.AddTarget("iqn.2026-11.example:rig", nil); err != nil {
		tb.Fatal(err)
	}
	r.target.Enable()
	return r
}

func (r *rig) printf(format string, args ...any) {
	r.mu.Lock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
	r.mu.Unlock()
}

// returned logs that a call of another goroutine has returned. When it does so is up to the
// scheduler, so such lines stand after the others, sorted.
func (r *rig) returned(format string, args ...any) {
	r.mu.Lock()
	r.returns = append(r.returns, fmt.Sprintf(format, args...))
	r.mu.Unlock()
}

// take returns what was logged since the last time.
func (r *rig) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	sort.Strings(r.returns)
	s := strings.Join(append(r.log, r.returns...), "\n")
	r.log, r.returns = nil, nil
	if s != "" {
		s += "\n"
	}
	return s
}

// rigDevice is a disk of 512-byte blocks whose commands, TEST UNIT READY aside, are
// deferred until the test releases them.
type rigDevice struct {
	r         *rig
	name      string
	d         *engine.Device
	control   scsi.Control
	blocking  bool // Exec blocks on a worker instead of deferring
	host      scsi.Host
	mu        sync.Mutex
	release   map[uint64]chan error // guarded by mu; of blocked Execs, by tag
	slowReset chan bool             // guarded by mu
}

func (d *rigDevice) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: !d.blocking, Control: d.control}, nil
}

func (d *rigDevice) Bind(h scsi.Host) error { d.host = h; return nil }

func (d *rigDevice) Exec(c *scsi.Command) error {
	switch c.Op().Op {
	case scsi.OpTestUnitReady:
		return nil
	case scsi.OpRequestSense:
		return c.Reply(make([]byte, 18))
	case scsi.OpInquiry:
		return c.Reply(make([]byte, 36))
	case scsi.OpSendDiagnostic:
		panic("the test asked for it")
	}
	tag := c.Tag
	ctx := c.Context()
	d.r.mu.Lock()
	d.r.contexts[tag] = ctx
	d.r.log = append(d.r.log, fmt.Sprintf("exec %d", tag))
	d.r.mu.Unlock()
	if d.blocking {
		d.mu.Lock()
		ch := d.channel(tag)
		d.mu.Unlock()
		return <-ch
	}
	p := c.Defer()
	d.r.mu.Lock()
	d.r.pending[tag] = p
	d.r.mu.Unlock()
	return nil
}

// channel is where the result of a blocked Exec comes from; mu is held.
func (d *rigDevice) channel(tag uint64) chan error {
	if d.release == nil {
		d.release = make(map[uint64]chan error)
	}
	ch := d.release[tag]
	if ch == nil {
		ch = make(chan error, 1)
		d.release[tag] = ch
	}
	return ch
}

// Reset is written down, and waits for slowReset if there is one.
func (d *rigDevice) Reset() {
	d.r.printf("reset %s", d.name)
	d.mu.Lock()
	ch := d.slowReset
	d.mu.Unlock()
	if ch != nil {
		<-ch
	}
}

func (d *rigDevice) Close() error {
	d.r.printf("close %s", d.name)
	return nil
}

func (r *rig) addDevice(name string, c scsi.Control, blocking bool, opts *engine.DeviceOptions) *rigDevice {
	d := &rigDevice{r: r, name: name, control: c, blocking: blocking}
	var err error
	if d.d, err = r.e.AddDevice(name, d, opts); err != nil {
		r.tb.Fatal(err)
	}
	r.devices[name] = d
	return d
}

// end lets the handler end command tag with err.
func (r *rig) end(tag uint64, err error) error {
	r.mu.Lock()
	p, ok := r.pending[tag]
	delete(r.pending, tag)
	r.mu.Unlock()
	if ok {
		p.Done(err)
		return nil
	}
	for _, d := range r.devices {
		if d.blocking {
			d.mu.Lock()
			ch := d.channel(tag)
			d.mu.Unlock()
			ch <- err
			return nil
		}
	}
	return fmt.Errorf("command %d is not executing", tag)
}

// rigSession is an endpoint that holds data-out and responses back if it is told to.
type rigSession struct {
	r         *rig
	name      string
	s         *engine.Session
	slowData  bool      // RequestData waits for data
	slowReply bool      // Respond waits for sent
	respond   chan bool // if not nil: Respond returns when it is closed
}

func (r *rig) login(name string, lost bool) *rigSession {
	x := &rigSession{r: r, name: name}
	var err error
	x.s, err = r.target.Login(context.Background(), fabric.Initiator{Name: "iqn.rig:" + name, NexusLost: lost}, x)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.sessions[name] = x
	return x
}

func (x *rigSession) RequestData(c *scsi.Command) {
	if x.slowData {
		x.r.mu.Lock()
		x.r.live[c.Tag] = c
		x.r.log = append(x.r.log, fmt.Sprintf("%s request-data %d bytes=%d", x.name, c.Tag, c.Data().Len()))
		x.r.mu.Unlock()
		return
	}
	c.DataReceived(nil)
}

func (x *rigSession) Abort(c *scsi.Command) {
	x.r.printf("%s stop-data %d", x.name, c.Tag)
	x.r.mu.Lock()
	delete(x.r.live, c.Tag)
	x.r.mu.Unlock()
	c.DataReceived(errors.New("aborted by the transport"))
}

func (x *rigSession) Respond(c *scsi.Command) {
	if x.respond != nil {
		<-x.respond
	}
	x.r.printf("%s respond %s", x.name, describe(c))
	if x.slowReply {
		x.r.mu.Lock()
		x.r.live[c.Tag] = c
		x.r.mu.Unlock()
		return
	}
	c.ResponseSent(nil)
}

func (x *rigSession) TaskDone(t *fabric.Task) {
	extra := ""
	if t.Additional != [3]byte{} {
		extra = fmt.Sprintf(" %02x", t.Additional)
	}
	x.r.printf("%s task-done %v: %v%s", x.name, t.Function, t.Response, extra)
}

func (x *rigSession) Closed(reason error) { x.r.printf("%s closed: %v", x.name, reason) }

func (x *rigSession) Event(e fabric.Event) error {
	x.r.printf("%s event lun=%v %v", x.name, e.LUN, e.Sense)
	return nil
}

// describe is the result of a command in words.
func describe(c *scsi.Command) string {
	if c.Silent() {
		return fmt.Sprintf("%d silently", c.Tag)
	}
	s := fmt.Sprintf("%d %v", c.Tag, c.Status())
	if b := c.SenseData(); b != nil {
		e, err := scsi.ParseSense(b)
		if err != nil {
			return s + " " + err.Error()
		}
		s += " " + e.Sense.Error()
		if b[0]&0x7F >= 0x72 {
			s += " (descriptor)"
		}
	}
	if _, n := c.DataIn(); n > 0 {
		s += fmt.Sprintf(" in=%d", n)
	}
	if c.Residual() != 0 {
		s += fmt.Sprintf(" residual=%d", c.Residual())
	}
	return s
}

// submit makes and submits a command.
func (x *rigSession) submit(req scsi.Request, cdb []byte) {
	c := x.s.NewCommand()
	c.Request = req
	c.SetCDB(cdb)
	x.s.Submit(c)
}

// cdbOf builds the CDBs that scripts name.
func cdbOf(op string, lba uint64, count uint32) ([]byte, error) {
	rows := map[string]scsi.Opcode{
		"tur": scsi.OpTestUnitReady, "inquiry": scsi.OpInquiry, "request-sense": scsi.OpRequestSense, "read": scsi.OpRead10,
		"write": scsi.OpWrite10, "report-luns": scsi.OpReportLUNs, "mode-select": scsi.OpModeSelect10, "verify": scsi.OpVerify10,
		"diagnostic": scsi.OpSendDiagnostic,
	}
	code, ok := rows[op]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", op)
	}
	o := scsi.Lookup(scsi.TypeDisk, []byte{byte(code), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	return scsi.AppendCDB(nil, o, lba, count), nil
}

// dump lists the live commands.
func (r *rig) dump() {
	list := r.e.Commands()
	sort.Slice(list, func(i, j int) bool { return list[i].Tag < list[j].Tag })
	for _, c := range list {
		s := fmt.Sprintf("%d %v %v lun=%v cdb=%02xh", c.Tag, c.State, c.Attr, c.LUN, c.CDB[0])
		if c.Aborted {
			s += " aborted"
		}
		r.printf("%s", s)
	}
}
