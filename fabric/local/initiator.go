package local

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// Options configure a Login; nil and the zero value are ready for use.
type Options struct {
	// Name is what initiator groups are matched against; "": DefaultName.
	Name string

	// TransportID names the initiator port in persistent reservations (SPC-4 7.6.4). nil:
	// one made of Name. Two logins at a time that shall be two ports need different ones.
	TransportID []byte

	// Direct gives the caller's slices to the handler as data buffers, where the command
	// allows it, and saves the copy. Memory that the caller got without care for
	// alignment then reaches the store. When a command that reads ends with an error, In
	// holds anything; and a handler that panics after it has deferred may write to In
	// later, since nothing can stop it.
	Direct bool

	// Event, if not nil, is told asynchronous events. It must not block.
	Event func(fabric.Event)
}

// DefaultName is the name of an initiator that has been given none.
const DefaultName = "iqn.2026-11.io.github.goscst:local"

// Initiator is an I_T nexus with a target in this process. Its methods may be called
// from any goroutine.
type Initiator struct {
	s      *engine.Session
	event  func(fabric.Event)
	direct *sgv.Pool // wraps the callers' memory; nil unless Options.Direct

	tags   atomic.Uint64
	live   atomic.Int64  // commands and functions between enter and leave; plus refusing
	aborts chan struct{} // a slot for each ABORT TASK of Do in progress
	idle   chan struct{} // closed when live is refusing
	gone   chan struct{} // closed by Endpoint.Closed
	reason error         // why the session ended; set before gone is closed

	once sync.Once // closes idle

	mu   sync.Mutex
	free *Command // guarded by mu; for Do and Run
}

// refusing in live says that nothing new may begin.
const refusing = 1 << 62

// maxAborts keeps the initiator below the engine's limit of functions in progress.
const maxAborts = 128

// Login opens a session with t, which must be enabled.
func Login(ctx context.Context, t *engine.Target, opts *Options) (*Initiator, error) {
	if opts == nil {
		opts = &Options{}
	}
	i := &Initiator{
		event:  opts.Event,
		aborts: make(chan struct{}, maxAborts),
		idle:   make(chan struct{}),
		gone:   make(chan struct{}),
	}
	in := fabric.Initiator{Name: opts.Name, TransportID: opts.TransportID, Address: "local"}
	if in.Name == "" {
		in.Name = DefaultName
	}
	if in.TransportID == nil {
		in.TransportID = scsi.AppendTransportID(nil, scsi.TransportID{
			Protocol: scsi.ProtocolISCSI, Name: in.Name,
			ISID: []byte{0x80, 0, 0, 0, 0, 0}, // of the random format (RFC 7143 11.12.5)
		})
	}
	var ep fabric.Endpoint = endpoint{i}
	if opts.Direct {
		i.direct = sgv.NewPool(&sgv.Options{Name: "local", PurgeInterval: -1})
		ep = directEndpoint{endpoint{i}}
	}
	// The login itself counts as live: a target that is disabled meanwhile ends the
	// session when i.s is set.
	i.live.Store(1)
	s, err := t.Login(ctx, in, ep)
	if err != nil {
		i.closeDirect()
		return nil, fmt.Errorf("local: login to %q: %w", t.Name(), err)
	}
	i.s = s
	i.leave()
	return i, nil
}

// Session describes the session with the target.
func (i *Initiator) Session() engine.SessionInfo { return i.s.Info() }

// QueueLimit is how many commands it makes sense to have in progress at once: the queue depths
// of the logical units together, within a bound. See [engine.Session.QueueLimit].
func (i *Initiator) QueueLimit() int { return i.s.QueueLimit() }

// Done is closed when the session is over, for whatever reason.
func (i *Initiator) Done() <-chan struct{} { return i.gone }

// Err is nil as long as Done is not closed, and then tells why the session ended.
func (i *Initiator) Err() error {
	select {
	case <-i.gone:
		return i.reason
	default:
		return nil
	}
}

// Close ends the session. Commands in progress are aborted and end with ErrClosed; Close
// returns when every one of them has ended and its done function has returned, so it
// must not be called from a done function. It always returns nil.
func (i *Initiator) Close() error {
	i.refuse()
	i.s.Close(nil)
	<-i.gone
	<-i.idle
	return nil
}

// enter counts a command or function in, and reports false if the session is ending.
func (i *Initiator) enter() bool {
	if i.live.Add(1) < refusing {
		return true
	}
	i.leave()
	return false
}

// leave counts it out. The last one to leave an initiator that refuses ends the session.
func (i *Initiator) leave() {
	if i.live.Add(-1) == refusing {
		i.drained()
	}
}

// refuse lets nothing new begin.
func (i *Initiator) refuse() {
	if i.live.Or(refusing) == 0 {
		i.drained()
	}
}

func (i *Initiator) drained() {
	i.once.Do(func() {
		i.s.Close(nil)
		close(i.idle)
	})
}

// closing reports whether the session is over or ending.
func (i *Initiator) closing() bool { return i.live.Load() >= refusing }

func (i *Initiator) closeDirect() {
	if i.direct != nil {
		// Memory that a panicked handler still has was the caller's: nothing to report.
		_ = i.direct.Close()
	}
}
