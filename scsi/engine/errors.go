package engine

import "errors"

// Errors of management that programs act on; they are wrapped in ones that say more.
var (
	ErrExists          = errors.New("engine: name or number is taken") // of AddDevice, AddTarget, AddInitiator and Map
	ErrInUse           = errors.New("engine: still in use")            // of Device.Remove
	ErrNotFound        = errors.New("engine: not found")               // of what names something that is not there, or not any more
	ErrNotEnabled      = errors.New("engine: target is not enabled")   // of Login
	ErrTooManySessions = errors.New("engine: too many sessions")       // of Login
)

// Reasons with which sessions end, which Endpoint.Closed receives. A target that has been
// removed refuses logins with the same error, and so does an engine that has been closed,
// which takes no devices and targets either.
var (
	ErrSessionClosed  = errors.New("engine: session closed") // Session.Close without a reason
	ErrTargetDisabled = errors.New("engine: target disabled")
	ErrTargetRemoved  = errors.New("engine: target removed")
	ErrEngineClosed   = errors.New("engine: engine closed")
)

// errAborted ends a command that was aborted before its handler saw it.
var errAborted = errors.New("engine: command aborted")
