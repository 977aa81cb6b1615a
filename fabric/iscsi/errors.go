package iscsi

import "errors"

// ErrServerClosed is what Serve and ListenAndServe return after Shutdown or Close.
var ErrServerClosed = errors.New("iscsi: server closed")

// Why connections and sessions end, apart from errors of the network.
var (
	errConnClosed     = errors.New("iscsi: connection closed")
	errLoggedOut      = errors.New("iscsi: initiator logged out")
	errReinstated     = errors.New("iscsi: session reinstated by its initiator")
	errForced         = errors.New("iscsi: session closed by the administrator")
	errColdReset      = errors.New("iscsi: target cold reset")
	errLoginTimeout   = errors.New("iscsi: login takes too long")
	errLoginRefused   = errors.New("iscsi: login refused")
	errPushedOut      = errors.New("iscsi: too many connections that are not logged in")
	errPingTimeout    = errors.New("iscsi: initiator does not answer a NOP-In")
	errDataTimeout    = errors.New("iscsi: initiator does not send the data that it was asked for")
	errHeaderDigest   = errors.New("iscsi: header digest error")
	errSegmentTooLong = errors.New("iscsi: data segment longer than MaxRecvDataSegmentLength")
	errTooMuchHeld    = errors.New("iscsi: too much waits for a missing command")
	errSlowReader     = errors.New("iscsi: initiator does not read its answers")
	errReaderEnded    = errors.New("iscsi: a handler has ended the connection's goroutine")

	// errLostMemory: part of the answer may have left, so that nothing can follow it.
	errLostMemory = errors.New("iscsi: the mapped data of a READ cannot be read: its file was cut off, or its device fails")
)

// errTaskAborted is why the data of a command does not come.
var errTaskAborted = errors.New("iscsi: task aborted")
