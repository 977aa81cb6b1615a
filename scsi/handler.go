package scsi

import (
	"errors"

	"github.com/goscst/goscst/sgv"
)

// Handler is a logical unit's device server. Implement it to serve any CDB of any
// peripheral type; for plain block storage implement backstore.Backstore instead.
//
// The engine executes REPORT LUNS, REQUEST SENSE while a unit attention condition is pending,
// and the rows of the CDB table with FlagEngine, as far as Description.Own does not claim
// them. Everything else reaches Exec, also what every logical unit has to know: INQUIRY, TEST
// UNIT READY and REQUEST SENSE. Package scsi/unit has all that.
type Handler interface {
	// Describe is called once, when the device is added; an error refuses it.
	Describe() (Description, error)

	// Exec executes c. Its error ends the command: nil is GOOD, a Sense or *SenseError
	// is CHECK CONDITION, a StatusError is that status, anything else is
	// InternalTargetFailure. After c.Defer the result is ignored and Pending.Done ends
	// the command instead. Exec runs concurrently with itself. It may block unless
	// Description.NonBlocking. A panic, of this or any other method that the engine calls
	// after AddDevice, ends the command with InternalTargetFailure and takes the device
	// offline: the handler may have died holding its locks, so that nothing of it is called
	// any more but Detach and Close. So does runtime.Goexit, which the FailNow of tests calls;
	// the goroutine ends besides, which for a command that does not run on a worker is the
	// transport's, or that of whoever calls Pending.Done of another one.
	Exec(c *Command) error
}

// Description is the fixed part of a logical unit. The zero value is a direct access
// device without blocks.
type Description struct {
	Type        DeviceType
	BlockSize   int     // bytes; 0 for a device without logical blocks
	MaxTransfer int64   // bytes of one command's data; longer ones are refused; 0: 16 MiB
	NonBlocking bool    // Exec never blocks: the engine calls it on the submitting goroutine
	Removable   bool    // INQUIRY's RMB, for the engine's own answers
	LateData    bool    // commands that read blocks come without Data, for a handler that lends: see Command.NeedData; bidirectional ones have it
	Parse       Parse   // which CDBs go to Parser
	Own         Own     // what the handler wants to do by itself
	Control     Control // control mode page at the start
}

// Parse chooses the CDBs that the handler's Parser sees.
type Parse uint8

// The choices.
const (
	ParseStandard Parse = iota // none: the CDB table alone
	ParseUnknown               // those that the table does not know
	ParseAll                   // all
)

// Own is a set of duties that the handler takes over from the engine.
type Own uint8

// The duties.
const (
	OwnReservations  Own = 1 << iota // RESERVE, RELEASE and PERSISTENT RESERVE reach the handler
	OwnReportOpcodes                 // REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS reach it
	OwnOrdering                      // commands reach it in the order of arrival, whatever their attributes
)

// Control is what the engine obeys of the control mode page (SPC-4 7.5.8).
type Control struct {
	TST      uint8 // 0: one task set for all nexuses; 1: one for each; fixed when the device is added
	QueueAlg uint8 // QUEUE ALGORITHM MODIFIER: 0 restricted reordering, 1 unrestricted
	QErr     uint8 // 0: others go on; 1: all tasks are aborted; 3: those of the nexus are
	TMFOnly  bool  // during an auto contingent allegiance no ACA task is admitted, only task management
	TAS      bool  // tasks aborted by another nexus end with TASK ABORTED
	SWP      bool  // software write protect
	DSense   bool  // descriptor format sense data
}

// Optional interfaces of a Handler. The engine looks for them once, when the device is
// added, and never through wrappers.
type (
	// TryExecer executes what does not block on the goroutine that submits. Without it
	// every command of a blocking handler goes to a worker.
	TryExecer interface {
		// TryExec is Exec, or returns ErrWouldBlock, with nothing done, to be called
		// again as Exec on a worker.
		TryExec(c *Command) error
	}

	// Parser gives the lengths of CDBs that the table lacks or gets wrong; its error ends
	// the command, as that of Exec. It must not block. Without it, a command that the table
	// lacks transfers what the initiator announces.
	Parser interface {
		Parse(c *Command, p *Parsed) error
	}

	// Binder is told the engine's side when the device is added, before any command.
	// Without it, the handler cannot raise unit attentions by itself.
	Binder interface {
		Bind(h Host) error
	}

	// Attacher learns which nexuses exist. An error of Attach keeps the logical unit
	// from that initiator. Attach runs while the LUN map of its group is locked, and that of
	// the group from which the initiator comes: it may block, and then holds up logins and
	// changes of these groups, but must not change LUN maps itself. Detach comes when no
	// command and no function of the nexus is left. Without it, nothing is called.
	Attacher interface {
		Attach(n *Nexus) error
		Detach(n *Nexus)
	}

	// BufferProvider makes data buffers of its own, of exactly n bytes, which the engine
	// releases when the command is over; errors.ErrUnsupported asks for one of the pool,
	// another error ends the command. It must not block. It is called twice for a
	// bidirectional command, for data-in and then for data-out, during NeedData with
	// LateData, and not at all if the transport provides the buffers. Without it, all come
	// from the pool.
	BufferProvider interface {
		Buffer(c *Command, n int) (*sgv.Buf, error)
	}

	// Finisher learns how a command ended, just before it and its buffer are reused, also
	// when it was never executed. It must not block. Without it, nothing is called.
	Finisher interface {
		Finish(c *Command, o Outcome)
	}

	// TaskObserver sees task management functions that end tasks: before the abort, and
	// after the affected tasks have ended. fn is also NexusReset for a session that ends. tag
	// is the task's for AbortTask, else 0. n is the nexus that asked; functions for a whole
	// target are seen once for each of its nexuses to the unit. The methods must not block.
	// Without it, nothing is called.
	TaskObserver interface {
		TaskReceived(n *Nexus, fn TaskFunction, tag uint64)
		TaskDone(n *Nexus, fn TaskFunction)
	}

	// OpcodeLister lists what Exec understands, for REPORT SUPPORTED OPERATION CODES. With
	// ParseStandard, commands that are not in the list are refused before Exec. Without
	// it, REPORT SUPPORTED OPERATION CODES is refused and Exec sees everything.
	OpcodeLister interface {
		Opcodes() []*OpInfo
	}

	// Resetter is called by LOGICAL UNIT RESET and target resets after the tasks have
	// ended: saved mode pages become current, PREVENT is forgotten. No command runs
	// meanwhile, but another reset may. It may block, and the function's answer waits for
	// it. Without it, nothing is called.
	Resetter interface {
		Reset()
	}

	// Closer is called when the device has been removed and no command runs; nothing is
	// called afterwards. Without it, nothing is called.
	Closer interface {
		Close() error
	}
)

// Parsed is a Parser's answer.
type Parsed struct {
	In, Out int64 // bytes of data-in and data-out; the command is bidirectional if it has both
	Writes  bool  // the command changes the medium
}

// Outcome is how a command ended.
type Outcome struct {
	Status    Status
	Aborted   bool  // a task management function, or the end of its session, ended it
	Delivered error // nil if the response was sent
}

// ErrWouldBlock is TryExec's answer for a command that must go to a worker.
var ErrWouldBlock = errors.New("scsi: execution would block")
