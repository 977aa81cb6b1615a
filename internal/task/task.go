// Package task is the part of a command that the contract package scsi and the
// engine share without showing it to users: the handshake between a handler
// that runs and a completion that may come from anywhere, the lazy context, and
// the results that transports read.
//
// Only scsi, scsi/engine and scsi/scsitest import it.
package task

import (
	"context"
	"sync/atomic"

	"github.com/goscst/goscst/sgv"
)

// Owner is the engine's side of one command. Its methods do not block.
type Owner interface {
	// Done continues a command whose handler has returned after Defer.
	Done(err error)
	// DataReceived continues a command whose data-out the transport has placed.
	DataReceived(err error)
	// Reclaim takes a command back that was abandoned: its handler has let go of it.
	Reclaim()
	// ResponseSent ends a command whose response the transport has sent or lost.
	ResponseSent(err error)
	// Lend makes memory of the handler the data-in, as the kind of loan that l says; see
	// scsi.Command.Lend and LendMapped.
	Lend(segs [][]byte, release func(), l Loan) error
	// NeedData makes a Data that may be filled; see scsi.Command.NeedData.
	NeedData() error
}

// State is the shared state of one command. The goroutine that owns the command
// may touch the plain fields; the handshake word may be touched by anyone.
type State struct {
	Owner Owner
	Nexus any // *scsi.Nexus

	Data    *sgv.Buf // data-in to fill, or data-out received; what Put has put there
	DataOut *sgv.Buf // data-out of a bidirectional command
	Room    int      // bytes of data-in for which there is no Data yet; 0: none are to come

	Vector    [][]byte // see scsi.Command.Vector; it outlives the command
	DataIn    int      // bytes of Data that are the answer; negative: the default
	Status    uint8
	Sense     []byte // encoded sense data; nil if none
	Residual  int64  // > 0 underflow, < 0 overflow; of data-in for a bidirectional command
	ResidOut  int64  // of data-out of a bidirectional command
	Silent    bool   // nothing may be sent: the task was aborted by its own nexus
	Err       error  // result handed over by Complete
	loan      Loan   // whose memory Data is
	open      bool   // between Begin and Return, when Defer may be called
	word      atomic.Uint64
	ctx       *Context
	abandoned atomic.Bool
}

// The handshake word is generation<<2 | phase. Exec runs in phase running. Defer
// moves to deferred. Then Exec's return and Complete meet: whoever comes second
// continues the command.
//
//	running ──Return──► running         (nobody deferred: synchronous)
//	running ──Defer───► deferred ──Return──► returned ──Complete──► done (Complete continues)
//	                    deferred ──Complete─► done    ──Return────►      (Return continues)
//
// A generation in which nobody deferred serves the next execution too, since nobody holds
// a Pending of it: so an execution that does not defer writes nothing that others read.
const (
	running = iota
	deferred
	returned
	done
)

// Begin starts a new execution, in phase running of a generation that no Pending has.
func (s *State) Begin() {
	s.Err = nil
	s.open = true
	if w := s.word.Load(); w&3 != running {
		s.word.Store((w>>2 + 1) << 2) // phase running, which is 0
	}
}

// Defer hands the obligation to complete to the caller and returns its generation.
func (s *State) Defer() uint64 {
	w := s.word.Load()
	if !s.open || w&3 != running || !s.word.CompareAndSwap(w, w&^3|deferred) {
		panic("scsi: Command.Defer called twice or outside Exec")
	}
	return w >> 2
}

// Return ends Exec. It reports whether the command is parked: then the caller must
// not touch it any more, Complete continues it. Otherwise the caller continues with
// the result of Exec, or with s.Err if deferredDone is set.
func (s *State) Return() (parked, deferredDone bool) {
	s.open = false
	for {
		w := s.word.Load()
		switch w & 3 {
		case running:
			return false, false
		case deferred:
			if s.word.CompareAndSwap(w, w&^3|returned) {
				return true, false
			}
		default:
			return false, true
		}
	}
}

// Complete is Pending.Done: it ends generation gen with err. A second call, or one
// for a generation that is over, panics in its caller.
func (s *State) Complete(gen uint64, err error) {
	for {
		w := s.word.Load()
		if w>>2 != gen {
			panic("scsi: Pending.Done on a command that has ended")
		}
		switch w & 3 {
		case deferred:
			// Err is published by the compare-and-swap below.
			s.Err = err
			if s.word.CompareAndSwap(w, w&^3|done) {
				return
			}
		case returned:
			if s.word.CompareAndSwap(w, w&^3|done) {
				s.Err = err
				s.Owner.Done(err)
				return
			}
		default:
			if s.abandoned.CompareAndSwap(true, false) {
				s.Owner.Reclaim()
				return
			}
			panic("scsi: Pending.Done called twice")
		}
	}
}

// Abandon ends the current generation although its handler may still hold a Pending,
// which it reports. The command must never be used again then, and its buffers not before
// Owner.Reclaim, which the late Complete calls.
func (s *State) Abandon() bool {
	s.open = false
	for {
		w := s.word.Load()
		switch w & 3 {
		case running:
			return false
		case deferred:
			s.abandoned.Store(true)
			if s.word.CompareAndSwap(w, w&^3|done) {
				return true
			}
			s.abandoned.Store(false)
		default:
			return false
		}
	}
}

// Context is the command's context; made on first use.
func (s *State) Context() *Context {
	if s.ctx == nil {
		s.ctx = new(Context)
	}
	return s.ctx
}

// Prepare makes sure that the context exists, so that Cancel may race with a
// handler's first use of it.
func (s *State) Prepare() { s.Context() }

// Cancel cancels the context with cause.
func (s *State) Cancel(cause error) { s.Context().cancel(cause) }

// Recycle clears everything that belongs to the command that has ended. A context
// that somebody waited on, or that was cancelled, is replaced and not reused; those who
// wait on it still are let go.
func (s *State) Recycle() {
	s.Nexus, s.Data, s.DataOut, s.Sense, s.Err = nil, nil, nil, nil, nil
	s.DataIn, s.Room, s.Status, s.Residual, s.ResidOut, s.Silent, s.loan = -1, 0, 0, 0, 0, false, Own
	if s.ctx != nil && s.ctx.used() {
		s.ctx.cancel(context.Canceled)
		s.ctx = new(Context)
	}
}

// Of finds the state inside a *scsi.Command. Package scsi provides it.
func Of(cmd any) *State { return of(cmd) }

// Provide is called once by package scsi while it is initialised.
func Provide(f func(cmd any) *State) struct{} {
	of = f
	return struct{}{}
}

var of func(cmd any) *State
