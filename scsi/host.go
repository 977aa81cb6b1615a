package scsi

// Host is what a handler may ask of the engine that serves it. Its methods may be
// called from any goroutine and do not block, Load and Save aside.
type Host interface {
	// Name is the device's name in the engine.
	Name() string

	// ID is a number derived from the name and the engine's setup identifier, stable
	// over restarts: identifiers of a unit that has no others are made of it.
	ID() uint64

	// Raise queues a unit attention condition on every nexus of the unit but except,
	// which may be nil.
	Raise(ua Sense, except *Nexus)

	// SetControl makes the engine obey a changed control mode page. TST cannot change.
	SetControl(c Control)

	// Load returns state saved under key, such as saved mode pages, and fs.ErrNotExist
	// if there is none. It may block.
	Load(key string) ([]byte, error)

	// Save keeps state durably under key; nil removes it. It may block. An error
	// means that it may not survive, and the command that asked for it must fail. Without
	// a place to save, it returns errors.ErrUnsupported.
	Save(key string, data []byte) error

	// Persistent reports whether Save has a place to keep state.
	Persistent() bool
}
