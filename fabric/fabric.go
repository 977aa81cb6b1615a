package fabric

import (
	"time"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Endpoint is a transport's side of one I_T nexus: what the engine asks of it. Every
// method is called without locks held, possibly from many goroutines at once, and must
// not block: work that waits is queued. Each call for a command is answered exactly
// once, on a dead connection too.
//
// A handler may end the goroutine (runtime.Goexit) on which a transport calls Session.Submit or
// ResponsesSent, or answers: what the transport must do afterwards it does in deferred functions.
type Endpoint interface {
	// RequestData asks for the data-out of c: all of c.ReceiveBuffer, which is never more
	// than the initiator announced. It is
	// called during Session.Submit and on its goroutine, or not at all. Answer with
	// c.DataReceived, from within the call or later. Data that the initiator sends
	// beyond that length, or for a command that is answered without RequestData, is the
	// transport's to discard.
	RequestData(c *scsi.Command)

	// Respond asks to send data-in, status and sense of c, or nothing if c.Silent.
	// Answer with c.ResponseSent when the data has left and the buffer is not needed
	// any more. It may be called during Submit. What Respond and TaskDone ask to send
	// leaves in the order of the calls.
	Respond(c *scsi.Command)

	// TaskDone reports the end of a task management function; t.Response is set.
	TaskDone(t *Task)

	// Closed is the last call for a session: no command or task of it exists any more.
	Closed(reason error)
}

// Optional interfaces of an Endpoint, looked for once, at login.
type (
	// Aborter hears that c, whose data it was asked for, has been aborted: it stops
	// waiting and calls c.DataReceived soon. Without it, an aborted command waits for
	// its data.
	Aborter interface{ Abort(c *scsi.Command) }

	// Eventer carries asynchronous events; an error makes the engine fall back to a unit
	// attention. Without it, only unit attentions are used.
	Eventer interface{ Event(e Event) error }

	// LogoutRequester asks the initiator to log out within the given time, for an
	// orderly end. Without it, sessions are closed at once.
	LogoutRequester interface{ RequestLogout(within time.Duration) }

	// BufferProvider places data buffers itself (memory registered for RDMA), during
	// Submit, or on any goroutine when a handler asks for them with scsi.Command.NeedData.
	// Without it, or with errors.ErrUnsupported, they come from the device's pool.
	BufferProvider interface {
		Buffer(c *scsi.Command, n int) (*sgv.Buf, error)
	}
)

// Initiator names the other end of a nexus. Groups are matched against Name.
type Initiator struct {
	Name        string // iqn…, naa…, WWPN
	TransportID []byte // SPC-4 7.6.4, for persistent reservations; nil: the transport has none
	Address     string // where it connects from, for people

	// NexusLost says that this nexus replaces one that was lost: its first unit attention
	// is I_T NEXUS LOSS OCCURRED instead of POWER ON (SAM-5 6.3.4).
	NexusLost bool
}

// Task is a task management request. It is the transport's before Manage and again in
// TaskDone.
type Task struct {
	Function scsi.TaskFunction
	LUN      scsi.LUN
	Tag      uint64 // of the task, for ABORT TASK and QUERY TASK
	Response scsi.TaskResponse
	// Additional is the response information of QUERY functions (SAM-5 7.8): zero if
	// there is none.
	Additional [3]byte
	Driver     any // the transport's own
}

// Event is an asynchronous event for an initiator.
type Event struct {
	LUN   scsi.LUN
	Sense scsi.Sense
}
