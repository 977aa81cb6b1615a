package scsitest

import (
	"errors"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// segment is how many bytes a segment of a recorder's buffers has: so few that handlers
// meet many of them.
const segment = 4096

// maxParams bounds the buffer for parameter data, as the engine does.
const maxParams = 256 << 10

// Options configure a Recorder; nil and the zero value are ready for use.
type Options struct {
	Host        *Host       // nil: a new one
	Nexus       *scsi.Nexus // nil: one of a port of an iSCSI target
	SegmentSize int         // bytes of one segment of a data buffer; 0: 4096
	NoTry       bool        // TryExec is never called
}

// Recorder runs commands against a handler and returns what it answers. It does what an
// engine does for one command: decode, buffers, the handshake of deferred completion,
// status and sense. It has no task set, no unit attentions and no reservations. It is
// safe for concurrent use.
type Recorder struct {
	Handler     scsi.Handler
	Description scsi.Description
	Host        *Host
	Nexus       *scsi.Nexus

	pool *sgv.Pool
	try  scsi.TryExecer // nil: none
	root bool           // made by New
}

// New adds h to a Host of tests and attaches one nexus, as an engine would.
func New(h scsi.Handler, opts *Options) (*Recorder, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Host == nil {
		o.Host = new(Host)
	}
	if o.Nexus == nil {
		o.Nexus = NewNexus("iqn.2026-01.com.example:initiator")
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = segment
	}
	r := &Recorder{Handler: h, Host: o.Host, Nexus: o.Nexus, root: true}
	var err error
	if r.Description, err = h.Describe(); err != nil {
		return nil, err
	}
	if r.Description.MaxTransfer == 0 {
		r.Description.MaxTransfer = 16 << 20
	}
	o.Host.SetControl(r.Description.Control)
	if b, ok := h.(scsi.Binder); ok {
		if err := b.Bind(o.Host); err != nil {
			return nil, err
		}
	}
	if !o.NoTry {
		r.try, _ = h.(scsi.TryExecer)
	}
	r.pool = sgv.NewPool(&sgv.Options{Name: "scsitest", SegmentSize: o.SegmentSize, PurgeInterval: -1})
	return r, r.attach()
}

// NewNexus returns the nexus of the initiator with the given name to a port of an iSCSI
// target.
func NewNexus(initiator string) *scsi.Nexus {
	return &scsi.Nexus{
		Initiator: initiator,
		Target:    "iqn.2026-01.com.example:target",
		Port: scsi.Port{
			RelativeID: 1,
			Protocol:   scsi.ProtocolISCSI,
			Name:       "iqn.2026-01.com.example:target,t,0x0001",
			TargetName: "iqn.2026-01.com.example:target",
		},
	}
}

// On attaches a further nexus to the same unit.
func (r *Recorder) On(n *scsi.Nexus) (*Recorder, error) {
	s := *r
	s.Nexus, s.root = n, false
	return &s, s.attach()
}

// Detach ends the nexus of r, as the end of its session does.
func (r *Recorder) Detach() {
	if a, ok := r.Handler.(scsi.Attacher); ok {
		a.Detach(r.Nexus)
	}
}

// Reset is what the handler sees of LOGICAL UNIT RESET.
func (r *Recorder) Reset() {
	if h, ok := r.Handler.(scsi.Resetter); ok {
		h.Reset()
	}
}

// Close detaches the nexus; for the Recorder that New made it also closes the handler
// and reports buffers that are still in use.
func (r *Recorder) Close() error {
	r.Detach()
	if !r.root {
		return nil
	}
	var err error
	if c, ok := r.Handler.(scsi.Closer); ok {
		err = c.Close()
	}
	return errors.Join(err, r.pool.Close())
}

// Do runs one command to its end. out is the data-out that the initiator offers, nil if
// none.
func (r *Recorder) Do(cdb, out []byte) Result {
	t := r.Prepare(cdb, out)
	defer t.Release()
	t.Run()
	return t.Result()
}

// Start runs a command on a goroutine of its own.
func (r *Recorder) Start(cdb, out []byte) *Task {
	t := r.Prepare(cdb, out)
	t.started = make(chan struct{})
	go func() {
		defer close(t.started)
		t.Run()
	}()
	return t
}

func (r *Recorder) attach() error {
	if a, ok := r.Handler.(scsi.Attacher); ok {
		return a.Attach(r.Nexus)
	}
	return nil
}
