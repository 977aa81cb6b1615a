package engine

import "errors"

// Errors that programs act on. Text and wrapping give the rest.
var (
	ErrClosed          = errors.New("engine: closed")
	ErrExists          = errors.New("engine: name or number is taken")
	ErrInUse           = errors.New("engine: still in use")
	ErrNotFound        = errors.New("engine: not found")
	ErrNotEnabled      = errors.New("engine: target is not enabled")
	ErrTooManySessions = errors.New("engine: too many sessions")
)

// Reasons with which sessions end; Endpoint.Closed receives them.
var (
	ErrSessionClosed  = errors.New("engine: session closed")
	ErrTargetDisabled = errors.New("engine: target disabled")
	ErrTargetRemoved  = errors.New("engine: target removed")
	ErrEngineClosed   = errors.New("engine: engine closed")
)

// errAborted is the cause with which a command's context is cancelled.
var errAborted = errors.New("engine: command aborted")
