package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// hooks is a handler with every optional interface that tests look at. A nil function does
// nothing. What it is asked is written down.
type hooks struct {
	desc    scsi.Description
	exec    func(c *scsi.Command) error
	parse   func(c *scsi.Command, p *scsi.Parsed) error
	buffer  func(c *scsi.Command, n int) (*sgv.Buf, error)
	finish  func(c *scsi.Command, o scsi.Outcome)
	attach  func(n *scsi.Nexus) error
	detach  func(n *scsi.Nexus)
	receive func()
	reset   func()
	close   func() error

	mu  sync.Mutex
	log []string // guarded by mu
}

func (h *hooks) printf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *hooks) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.log
	h.log = nil
	return log
}

func (h *hooks) Describe() (scsi.Description, error) {
	d := h.desc
	d.BlockSize = 512
	d.Control.QueueAlg = 1
	return d, nil
}

func (h *hooks) Exec(c *scsi.Command) error {
	h.printf("exec %d", c.Tag)
	if h.exec != nil {
		return h.exec(c)
	}
	return nil
}

func (h *hooks) Parse(c *scsi.Command, p *scsi.Parsed) error {
	h.printf("parse %02xh", c.CDB()[0])
	if h.parse != nil {
		return h.parse(c, p)
	}
	return scsi.InvalidOpcode
}

func (h *hooks) Buffer(c *scsi.Command, n int) (*sgv.Buf, error) {
	if h.buffer == nil {
		return nil, errors.ErrUnsupported
	}
	h.printf("buffer %d", n)
	return h.buffer(c, n)
}

func (h *hooks) Finish(c *scsi.Command, o scsi.Outcome) {
	h.printf("finish %d %v aborted=%v delivered=%v", c.Tag, o.Status, o.Aborted, o.Delivered)
	if h.finish != nil {
		h.finish(c, o)
	}
}

func (h *hooks) Attach(n *scsi.Nexus) error {
	h.printf("attach %s", n.Initiator)
	if h.attach != nil {
		return h.attach(n)
	}
	return nil
}

func (h *hooks) Detach(n *scsi.Nexus) {
	h.printf("detach %s", n.Initiator)
	if h.detach != nil {
		h.detach(n)
	}
}

func (h *hooks) TaskReceived(n *scsi.Nexus, fn scsi.TaskFunction, tag uint64) {
	h.printf("received %v %d of %s", fn, tag, n.Initiator)
	if h.receive != nil {
		h.receive()
	}
}

func (h *hooks) TaskDone(n *scsi.Nexus, fn scsi.TaskFunction) {
	h.printf("done %v of %s", fn, n.Initiator)
}

func (h *hooks) Reset() {
	h.printf("reset")
	if h.reset != nil {
		h.reset()
	}
}

func (h *hooks) Close() error {
	h.printf("close")
	if h.close != nil {
		return h.close()
	}
	return nil
}

// port is a session whose endpoint does what the test says: by default it answers
// everything at once and keeps what it saw.
type port struct {
	t       testing.TB
	s       *engine.Session
	data    func(c *scsi.Command) // nil: it is here
	respond func(c *scsi.Command) // before ResponseSent
	sent    error                 // of ResponseSent
	hold    bool                  // the test calls ResponseSent
	aborted func(c *scsi.Command)
	done    func() // in TaskDone
	buffer  func(c *scsi.Command, n int) (*sgv.Buf, error)
	closed  chan error

	mu      sync.Mutex
	results []string // guarded by mu
	answers []string // guarded by mu; of functions
}

func (p *port) RequestData(c *scsi.Command) {
	if p.data != nil {
		p.data(c)
		return
	}
	c.DataReceived(nil)
}

func (p *port) Respond(c *scsi.Command) {
	p.mu.Lock()
	p.results = append(p.results, describe(c))
	p.mu.Unlock()
	if !p.hold {
		defer c.ResponseSent(p.sent)
	}
	if p.respond != nil {
		p.respond(c)
	}
}

func (p *port) Abort(c *scsi.Command) {
	if p.aborted != nil {
		p.aborted(c)
		return
	}
	c.DataReceived(errors.New("aborted by the transport"))
}

func (p *port) Buffer(c *scsi.Command, n int) (*sgv.Buf, error) {
	if p.buffer == nil {
		return nil, errors.ErrUnsupported
	}
	return p.buffer(c, n)
}

func (p *port) TaskDone(f *fabric.Task) {
	p.mu.Lock()
	p.answers = append(p.answers, fmt.Sprintf("%v: %v", f.Function, f.Response))
	p.mu.Unlock()
	if p.done != nil {
		p.done()
	}
}

func (p *port) Closed(reason error) { p.closed <- reason }

func (p *port) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.results
	p.results = nil
	return r
}

func (p *port) takeAnswers() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.answers
	p.answers = nil
	return r
}

// send submits a command without expectations.
func (p *port) send(tag uint64, cdb ...byte) { p.ask(scsi.Request{Tag: tag}, cdb...) }

func (p *port) ask(req scsi.Request, cdb ...byte) {
	c := p.s.NewCommand()
	c.Request = req
	c.SetCDB(cdb)
	p.s.Submit(c)
}

// manage performs a function for LUN 0.
func (p *port) manage(fn scsi.TaskFunction, tag uint64) {
	p.s.Manage(&fabric.Task{Function: fn, Tag: tag})
}

// CDBs of one block, and others.
var (
	tur     = []byte{0, 0, 0, 0, 0, 0}
	read1   = []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}
	write1  = []byte{0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0}
	inquiry = []byte{0x12, 0, 0, 0, 36, 0}
)

// bench is an engine with a target of one handler at LUN 0.
type bench struct {
	t   testing.TB
	e   *engine.Engine
	tgt *engine.Target
	dev *engine.Device
}

func newBench(t testing.TB, h scsi.Handler, o *engine.Options, d *engine.DeviceOptions) *bench {
	t.Helper()
	b := &bench{t: t, e: engine.New(o)}
	var err error
	b.dev, err = b.e.AddDevice("disk", h, d)
	require.NoError(t, err)
	b.tgt, err = b.e.AddTarget("iqn.2026-11.example:bench", nil)
	require.NoError(t, err)
	require.NoError(t, b.tgt.Map(0, b.dev, nil))
	b.tgt.Enable()
	return b
}

// login makes a session of p that has seen its first unit attention; p may be nil.
func (b *bench) login(name string, p *port) *port {
	b.t.Helper()
	if p == nil {
		p = &port{}
	}
	p.t, p.closed = b.t, make(chan error, 1)
	var err error
	p.s, err = b.tgt.Login(context.Background(), fabric.Initiator{Name: name}, p)
	require.NoError(b.t, err)
	hold, respond := p.hold, p.respond
	p.hold, p.respond = false, nil
	p.send(1<<40, tur...)
	p.hold, p.respond = hold, respond
	p.take()
	return p
}

// close ends the engine, and checks that nothing is left.
func (b *bench) close() {
	b.t.Helper()
	require.NoError(b.t, b.e.Close())
	require.Empty(b.t, b.e.Commands())
	require.Zero(b.t, b.e.Stats().Pool.Outstanding)
	require.Zero(b.t, b.e.Stats().MemoryUsed)
}
