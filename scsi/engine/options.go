package engine

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Options configure an Engine; nil and the zero value are ready for use.
type Options struct {
	Logger      *zap.Logger // nil: no logging
	Pool        *sgv.Pool   // data buffers; the caller closes it after the engine; nil: one of the engine's own
	MemoryLimit int64       // bytes of data buffers in use at once; 0: half of GOMEMLIMIT if that is set, else 4 GiB; negative: no limit. A session gets half of it at most
	Store       Store       // where saved mode pages and reservations live; nil: nowhere
	Events      Events      // what the program wants to be told
	SetupID     uint16      // mixed into generated identifiers, so that two set-ups differ
}

// Events are optional functions. They are called on the goroutine on which it happens,
// possibly on many at once, and must be quick: they may look at the engine, but not wait
// for it nor change LUN maps.
type Events struct {
	// SessionOpened tells that an initiator has logged in, before Login returns.
	SessionOpened func(SessionInfo)
	// SessionClosed tells that a session is over and why, before Endpoint.Closed. It comes
	// after SessionOpened.
	SessionClosed func(SessionInfo, error)
	// DeviceFaulted tells that a handler panicked and its device went offline. The value
	// is what it panicked with, the stack is where.
	DeviceFaulted func(device string, value any, stack []byte)
	// TaskManagement tells that a task management function has ended.
	TaskManagement func(s SessionInfo, fn scsi.TaskFunction, r scsi.TaskResponse)
}

// DeviceOptions configure a device; nil and the zero value are ready for use.
type DeviceOptions struct {
	Workers    int       // blocking Execs at once, each of which may hold an OS thread; 0: 16; 1 to 1024; see SetWorkers
	QueueDepth int       // commands of one initiator at once; more end with TASK SET FULL; 0: 128; 1 to 65536; see SetQueueDepth
	Pool       *sgv.Pool // data buffers; the caller closes it after the device's removal; nil: the engine's
}

// TargetOptions configure a target; nil and the zero value are ready for use.
type TargetOptions struct {
	RelativeID  uint16         // RELATIVE TARGET PORT IDENTIFIER; 0: the lowest free one
	Protocol    scsi.Protocol  // of the transport that serves it; 0: iSCSI (FCP is chosen by ProtocolSet)
	ProtocolSet bool           // Protocol is meant even if it is 0
	PortName    string         // SCSI name string of the port; "": made from the target's name
	MaxSessions int            // further logins fail with ErrTooManySessions; 0: no limit
	LUNMethod   scsi.LUNMethod // how REPORT LUNS encodes numbers
}

// LUNOptions configure a logical unit number; nil and the zero value are ready for use.
type LUNOptions struct {
	ReadOnly bool // commands that write end with DATA PROTECT; Group.Replace changes it
}

const (
	defaultWorkers  = 16
	defaultDepth    = 128
	windowSlack     = 1024 // see Session.QueueLimit
	keptCommands    = 16   // see Session.Trim
	defaultTransfer = 16 << 20
	maxParameters   = 256 << 10 // bytes of parameter data that one command returns
	defaultMemory   = 4 << 30
)

// memoryLimit is what MemoryLimit means; 0 for no limit.
func memoryLimit(o *Options) int64 {
	if o.MemoryLimit != 0 {
		return max(0, o.MemoryLimit)
	}
	if l := debug.SetMemoryLimit(-1); l > 0 && l < 1<<50 {
		return l / 2
	}
	return defaultMemory
}
