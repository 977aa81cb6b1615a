package engine

import (
	"fmt"
	"sync/atomic"
)

// State is where a command is in its life; see the package documentation.
type State uint32

// The states. Those whose names end in Wait are passive: nobody runs the command, and
// somebody holds the right to resume it.
const (
	StateFree      State = iota // not in use, or the transport fills it in
	StateParse                  // being decoded, buffers are found
	StateDataWait               // the transport fetches data-out
	StateOrderWait              // other tasks come first
	StateBlockWait              // the device is blocked
	StateLaneWait               // all workers are busy
	StateExec                   // the handler runs, or has deferred
	StateRespond                // the transport is asked to send the response
	StateSendWait               // the transport sends it
	StateSent                   // it has left; what follows is as good as Free
)

// String is the state's name.
func (s State) String() string {
	names := [...]string{"Free", "Parse", "DataWait", "OrderWait", "BlockWait", "LaneWait", "Exec", "Respond", "SendWait", "Sent"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint32(s))
}

// Flags of a task. All but the last are set by whoever aborts it, under its set's lock.
const (
	stateMask   uint32 = 0xFF
	flagAborted uint32 = 0x100 << (iota - 1) // end it without execution, or ignore its result
	flagOther                                // another nexus did it
	flagTAS                                  // and the initiator is to see TASK ABORTED
	flagEnded                                // its result is decided: too late to abort it
)

// status is the state of a command and its flags, in one word: who changes one of them
// knows the other at that moment. The zero value is a free command.
type status struct{ word atomic.Uint32 }

// state is the state now. It may be another one already unless the caller owns the
// command, or holds the set's lock and the state is OrderWait, BlockWait or LaneWait.
func (s *status) state() State { return State(s.word.Load() & stateMask) }

// has tells whether any of the flags is set.
func (s *status) has(flags uint32) bool { return s.word.Load()&flags != 0 }

// move changes the state and returns the one before.
func (s *status) move(to State) (from State) {
	for {
		w := s.word.Load()
		if s.word.CompareAndSwap(w, w&^stateMask|uint32(to)) {
			return State(w & stateMask)
		}
	}
}

// mark sets flags unless the result of the command is decided, which it reports, and
// returns the state of the command at that moment.
func (s *status) mark(flags uint32) (at State, marked bool) {
	for {
		w := s.word.Load()
		if w&flagEnded != 0 {
			return State(w & stateMask), false
		}
		if s.word.CompareAndSwap(w, w|flags) {
			return State(w & stateMask), true
		}
	}
}

// end decides the result: it moves to Respond, and returns the flags, which do not change
// any more.
func (s *status) end() (flags uint32) {
	for {
		w := s.word.Load()
		if s.word.CompareAndSwap(w, w&^stateMask|flagEnded|uint32(StateRespond)) {
			return w &^ stateMask
		}
	}
}

// settle moves from Respond to SendWait; it reports false if the response has left
// already.
func (s *status) settle() bool {
	w := s.word.Load()
	return State(w&stateMask) == StateRespond && s.word.CompareAndSwap(w, w&^stateMask|uint32(StateSendWait))
}

// start begins the life of a command, which the caller owns. It ends in Sent, and what it
// was stays to be read until the next one begins.
func (s *status) start() { s.word.Store(uint32(StateParse)) }
