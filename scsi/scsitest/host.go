package scsitest

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/goscst/goscst/scsi"
)

// Host is the engine's side of a device for tests: it writes down what the handler asks
// for. The zero value is ready for use and safe for concurrent use; set its exported
// fields before.
type Host struct {
	DeviceName string // "" is "device"
	DeviceID   uint64 // 0 is 0x0123456789ABCDEF
	Transient  bool   // there is no place to save anything

	mu      sync.Mutex
	raised  []Raised          // guarded by mu
	control scsi.Control      // guarded by mu
	saved   map[string][]byte // guarded by mu
	saveErr error             // guarded by mu
}

// Raised is a unit attention condition that a handler raised.
type Raised struct {
	Sense  scsi.Sense
	Except *scsi.Nexus
}

// Name is DeviceName.
func (h *Host) Name() string {
	if h.DeviceName == "" {
		return "device"
	}
	return h.DeviceName
}

// ID is DeviceID.
func (h *Host) ID() uint64 {
	if h.DeviceID == 0 {
		return 0x0123456789ABCDEF
	}
	return h.DeviceID
}

// Raise writes the condition down.
func (h *Host) Raise(ua scsi.Sense, except *scsi.Nexus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.raised = append(h.raised, Raised{ua, except})
}

// Raised returns what was raised since the last call.
func (h *Host) Raised() []Raised {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.raised
	h.raised = nil
	return r
}

// SetControl keeps c.
func (h *Host) SetControl(c scsi.Control) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.control = c
}

// Control is what the handler last gave to SetControl, or what it described.
func (h *Host) Control() scsi.Control {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.control
}

// Load returns what was saved.
func (h *Host) Load(key string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b, ok := h.saved[key]; ok {
		return slices.Clone(b), nil
	}
	return nil, fs.ErrNotExist
}

// Save keeps data in memory.
func (h *Host) Save(key string, data []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.Transient:
		return errors.ErrUnsupported
	case h.saveErr != nil:
		return h.saveErr
	case data == nil:
		delete(h.saved, key)
		return nil
	}
	if h.saved == nil {
		h.saved = make(map[string][]byte)
	}
	h.saved[key] = bytes.Clone(data)
	return nil
}

// FailSave makes Save fail with err until it is called with nil.
func (h *Host) FailSave(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saveErr = err
}

// Persistent reports that there is a place to save, unless Transient is set.
func (h *Host) Persistent() bool { return !h.Transient }
