package local

import "errors"

// Errors of this package.
var (
	// ErrClosed is the error of a command or function for an initiator whose session is
	// over or ending. The command has not been executed, unless it was in progress then.
	ErrClosed = errors.New("local: initiator is closed")

	// ErrAborted is the error of a command that a task management function ended without
	// a status (SAM-5 5.6). It may have been executed in part.
	ErrAborted = errors.New("local: command was aborted")

	// ErrOutOfRange is the error of a transfer that does not lie within a Disk.
	ErrOutOfRange = errors.New("local: beyond the end of the disk")

	errCDB     = errors.New("local: a CDB has 1 to 260 bytes")
	errTooLong = errors.New("local: data of one command is limited to 4 GiB")
	errNoData  = errors.New("local: the command asks for more data-out than it announced")
	errNoSense = errors.New("local: CHECK CONDITION without sense data")
	errReset   = errors.New("local: target cold reset")

	errAttentions = errors.New("local: the logical unit reports nothing but unit attentions")
)
