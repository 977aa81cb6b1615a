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
	Pool        *sgv.Pool   // data buffers; nil: one of the engine's own
	MemoryLimit int64       // bytes of data buffers in use at once; 0: half of GOMEMLIMIT if that is set, else 4 GiB. A session gets half of it at most
	Store       Store       // where saved mode pages and reservations live; nil: nowhere
	Events      Events      // what the program wants to be told
	SetupID     uint16      // mixed into generated identifiers, so that two set-ups differ
}

// Events are optional functions. They are called without locks, possibly from many
// goroutines, and must be quick.
type Events struct {
	SessionOpened func(SessionInfo)
	SessionClosed func(SessionInfo, error)
	// DeviceFaulted tells that a handler panicked and its device went offline. The value
	// is what it panicked with, the stack is where.
	DeviceFaulted func(device string, value any, stack []byte)
	// TaskManagement tells that a task management function has ended.
	TaskManagement func(s SessionInfo, fn scsi.TaskFunction, r scsi.TaskResponse)
}

// DeviceOptions configure a device; nil and the zero value are ready for use.
type DeviceOptions struct {
	Workers    int       // blocking Execs at once, each of which may hold an OS thread; 0: 16; at most 1024
	QueueDepth int       // commands of one initiator at once; more end with TASK SET FULL; 0: 128; at most 65536
	Pool       *sgv.Pool // data buffers; nil: the engine's
}

// TargetOptions configure a target; nil and the zero value are ready for use.
type TargetOptions struct {
	RelativeID  uint16         // RELATIVE TARGET PORT IDENTIFIER; 0: the lowest free one
	Protocol    scsi.Protocol  // of the transport that serves it; 0: iSCSI (FCP is chosen by ProtocolSet)
	ProtocolSet bool           // Protocol is meant even if it is 0
	PortName    string         // SCSI name string of the port; "": made from the target's name
	MaxSessions int            // 0: no limit
	LUNMethod   scsi.LUNMethod // how REPORT LUNS encodes numbers
}

// LUNOptions configure a logical unit number; nil and the zero value are ready for use.
type LUNOptions struct {
	ReadOnly bool // commands that write end with DATA PROTECT
}

const (
	defaultWorkers  = 16
	defaultDepth    = 128
	defaultTransfer = 16 << 20
	maxParameters   = 256 << 10 // bytes of parameter data that one command returns
	defaultMemory   = 4 << 30
)

func memoryLimit(o *Options) int64 {
	if o.MemoryLimit > 0 {
		return o.MemoryLimit
	}
	if l := debug.SetMemoryLimit(-1); l > 0 && l < 1<<50 {
		return l / 2
	}
	return defaultMemory
}
