package engine_test

import (
	"errors"
	"sync/atomic"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// The sides of a world that the engine calls, with what may not happen there.

// fuzzUnit defers reads and writes, or blocks on them, until the world completes them.
type fuzzUnit struct {
	w        *world
	dev      *engine.Device
	host     scsi.Host
	control  scsi.Control
	blocks   bool
	blocked  int // guarded by w.mu; Block calls in force
	late     bool
	attached atomic.Int32
	refuse   atomic.Int32 // how many nexuses are still refused
}

func (u *fuzzUnit) Describe() (scsi.Description, error) {
	return scsi.Description{BlockSize: 512, NonBlocking: !u.blocks && !u.late, LateData: u.late, Control: u.control}, nil
}

func (u *fuzzUnit) Bind(h scsi.Host) error { u.host = h; return nil }

func (u *fuzzUnit) Attach(n *scsi.Nexus) error {
	if u.refuse.Load() > 0 {
		u.refuse.Add(-1)
		u.w.printf("%s refuses %s", u.dev.Name(), n.Initiator)
		return scsi.LogicalUnitFailure
	}
	u.attached.Add(1)
	return nil
}

func (u *fuzzUnit) Detach(*scsi.Nexus) { u.attached.Add(-1) }

func (u *fuzzUnit) Reset() {
	w := u.w
	w.printf("reset %s", u.dev.Name())
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.cmds {
		if x.held && x.unit == u {
			w.fail("%s is reset while it has command %d", u.dev.Name(), x.c.Tag)
		}
	}
}

func (u *fuzzUnit) Exec(c *scsi.Command) error {
	x, hold := u.begin(c)
	switch {
	case hold && u.blocks:
		return <-x.release
	case hold:
		return nil
	}
	switch c.Op().Op {
	case scsi.OpInquiry:
		return c.Reply(make([]byte, 36))
	case scsi.OpRequestSense:
		return c.Reply(make([]byte, 18))
	}
	return nil
}

// begin checks that c may be executed, and tells whether the world will complete it.
func (u *fuzzUnit) begin(c *scsi.Command) (x *fuzzCommand, hold bool) {
	w := u.w
	w.printf("exec %d", c.Tag)
	w.mu.Lock()
	defer w.mu.Unlock()
	x = w.cmds[c.Tag]
	u.check(x)
	if op := c.Op().Op; op != scsi.OpRead10 && op != scsi.OpWrite10 {
		return x, false
	}
	x.held = true
	if u.blocks {
		x.release = make(chan error, 1)
	} else {
		x.pending = c.Defer()
	}
	return x, true
}

// check is what is checked at the beginning; w.mu is held.
func (u *fuzzUnit) check(x *fuzzCommand) {
	w, c := u.w, x.c
	x.unit = u
	switch {
	case x.responded || x.held || x.asked:
		w.fail("command %d is executed in the wrong state: %+v", c.Tag, x)
	case u.blocked > 0:
		w.fail("command %d is executed while its device is blocked", c.Tag)
	case x.p.closed:
		w.fail("command %d is executed after the end of its session", c.Tag)
	}
	if op := c.Op().Op; op == scsi.OpRead10 || op == scsi.OpWrite10 {
		u.ordered(x)
	}
}

// ordered checks that x may run beside what runs (SAM-5 8.6).
func (u *fuzzUnit) ordered(x *fuzzCommand) {
	for _, o := range u.w.cmds {
		if !o.held && !o.lingers || o.unit != u || u.control.TST == 1 && (o.p != x.p || o.lun != x.lun) {
			continue
		}
		if x.attr == scsi.Ordered || x.attr == scsi.Simple && o.attr == scsi.Ordered {
			u.w.fail("%v command %d runs beside %v command %d", x.attr, x.c.Tag, o.attr, o.c.Tag)
		}
	}
}

// fuzzPort holds data and responses back, or not, as the tag says.
type fuzzPort struct {
	w     *world
	name  string
	index int
	// batches says that responses leave many at once.
	batches bool
	s       *engine.Session
	closed  bool // guarded by w.mu
}

// update calls f with what is known of a command.
func (p *fuzzPort) update(c *scsi.Command, f func(*fuzzCommand)) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	x := p.w.cmds[c.Tag]
	if x.c != c {
		p.w.fail("command %d is another one", c.Tag)
	}
	f(x)
}

func (p *fuzzPort) RequestData(c *scsi.Command) {
	p.w.printf("request data %d", c.Tag)
	hold := c.Tag%3 != 0
	p.update(c, func(x *fuzzCommand) {
		if x.asked || x.responded || x.held || p.closed {
			p.w.fail("data is requested for command %d: %+v", c.Tag, x)
		}
		x.asked = hold
	})
	if !hold {
		c.DataReceived(nil)
	}
}

func (p *fuzzPort) Abort(c *scsi.Command) {
	p.w.printf("abort %d", c.Tag)
	obey := c.Tag%2 == 0 // else its data may come, or not, as if nothing had happened
	p.update(c, func(x *fuzzCommand) {
		if !x.asked || x.stopped {
			p.w.fail("command %d is to be stopped: %+v", c.Tag, x)
		}
		x.stopped, x.asked = true, !obey
	})
	if obey {
		c.DataReceived(errors.New("stopped"))
	}
}

func (p *fuzzPort) Respond(c *scsi.Command) {
	p.w.printf("respond %s", describe(c))
	hold := c.Tag%4 == 1 || p.batches && c.Tag%4 != 0
	p.update(c, func(x *fuzzCommand) {
		if x.responded || x.held || x.asked || p.closed {
			p.w.fail("command %d is responded to: %+v", c.Tag, x)
		}
		x.responded, x.sending = true, hold
		p.w.data(x)
	})
	if !hold {
		c.ResponseSent(nil)
	}
}

func (p *fuzzPort) TaskDone(t *fabric.Task) {
	f := t.Driver.(*fuzzFunction)
	p.w.printf("%s task done %v %v", p.name, t.Function, t.Response)
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if f.done || p.closed {
		p.w.fail("%v is answered, closed %v", t.Function, p.closed)
	}
	f.done = true
	if t.Response == scsi.FunctionRejected || t.Response == scsi.IncorrectLUN {
		return
	}
	for _, x := range f.victims {
		if !x.responded || x.held {
			p.w.fail("%v is answered before command %d has ended", t.Function, x.c.Tag)
		}
	}
}

func (p *fuzzPort) Closed(error) {
	w := p.w
	w.printf("%s closed", p.name)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.cmds {
		if x.p == p && (!x.responded || x.sending) {
			w.fail("the session of command %d has ended: %+v", x.c.Tag, x)
		}
	}
	for _, f := range w.fns {
		if f.p == p && !f.done {
			w.fail("the session of %v has ended", f.task.Function)
		}
	}
	p.closed = true
	if w.ports[p.index] == p {
		w.ports[p.index] = nil
	}
}

func (p *fuzzPort) Event(fabric.Event) error { return nil }
