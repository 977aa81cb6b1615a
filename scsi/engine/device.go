package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/goscst/goscst/internal/lane"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Device is a logical unit's device server in the engine: a handler with its workers
// and everything that is shared by all initiators that see it. All methods may be called
// from any goroutine.
type Device struct {
	// What a command looks at comes first, in few cache lines: it is in none for a device of
	// thousands that take turns.
	e        *Engine
	h        scsi.Handler
	desc     scsi.Description
	depth    atomic.Int32 // commands of one nexus at once
	offline  atomic.Bool  // a handler panicked
	control  control
	try      scsi.TryExecer // this and the others: what the handler can do besides, resolved once
	buffers  scsi.BufferProvider
	finisher scsi.Finisher
	parser   scsi.Parser
	known    [4]uint64 // a bit for each operation code in opcodes and of the engine
	pool     *sgv.Pool

	lane     *lane.Lane
	attacher scsi.Attacher
	observer scsi.TaskObserver
	resetter scsi.Resetter
	opcodes  []*scsi.OpInfo // nil if the handler lists none
	shared   *taskSet       // the task set of all nexuses if TST is 0
	over     chan struct{}  // closed when it is out of the engine
	name     string
	id       uint64

	mu          sync.Mutex
	nexuses     nexusList // guarded by mu
	mapped      int       // guarded by mu; LUNs of groups
	blocks      int       // guarded by mu; Block calls and resets in force
	removed     bool      // guarded by mu
	ending      bool      // guarded by mu; somebody closes the handler
	past        Traffic   // guarded by mu; of nexuses that are over
	pastLatency *Latency  // guarded by mu; nil: nothing
}

// AddDevice adds a logical unit under a name that is unique in the engine. The
// handler is asked once what it is and what it can do besides. It may block if
// the handler's Bind does. After an error, the handler is the caller's to close.
func (e *Engine) AddDevice(name string, h scsi.Handler, opts *DeviceOptions) (*Device, error) {
	if opts == nil {
		opts = &DeviceOptions{}
	}
	if name == "" || h == nil {
		return nil, fmt.Errorf("engine: AddDevice: a name and a handler are needed, got %q and %v", name, h)
	}
	desc, err := h.Describe()
	if err != nil {
		return nil, fmt.Errorf("engine: device %q: %w", name, err)
	}
	if err := checkDescription(&desc); err != nil {
		return nil, fmt.Errorf("engine: device %q: %w", name, err)
	}
	d := &Device{
		e: e, name: name, id: deviceID(name, e.setup), h: h, desc: desc,
		pool: opts.Pool, lane: lane.New(clampWorkers(opts.Workers)), over: make(chan struct{}),
	}
	d.SetQueueDepth(opts.QueueDepth)
	if d.pool == nil {
		d.pool = e.pool
	}
	d.resolve()
	d.control.Store(desc.Control)
	if desc.Control.TST == 0 {
		d.shared = newTaskSet()
	}
	if err := e.reserve(name); err != nil {
		return nil, err
	}
	added := false
	defer func() {
		if !added {
			e.mu.Lock()
			delete(e.devices, name)
			e.mu.Unlock()
		}
	}()
	if b, ok := h.(scsi.Binder); ok {
		if err := b.Bind(&host{d}); err != nil {
			return nil, fmt.Errorf("engine: device %q: %w", name, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrEngineClosed
	}
	e.devices[name], added = d, true
	e.log.Info("device added", zap.String(keyDevice, name), zap.Stringer(keyType, desc.Type))
	return d, nil
}

// reserve takes the name of a device while its handler is being bound.
func (e *Engine) reserve(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrEngineClosed
	}
	if _, ok := e.devices[name]; ok {
		return fmt.Errorf("engine: device %q: %w", name, ErrExists)
	}
	e.devices[name] = nil
	return nil
}

func checkDescription(d *scsi.Description) error {
	switch {
	case d.Type > scsi.TypeNone:
		return fmt.Errorf("Type is %#x, at most 1Fh is allowed", uint8(d.Type))
	case d.BlockSize < 0 || d.BlockSize > 1<<20:
		return fmt.Errorf("BlockSize is %d, 0 to 1048576 is allowed", d.BlockSize)
	case d.Control.TST > 1:
		return fmt.Errorf("Control.TST is %d, 0 or 1 is allowed", d.Control.TST)
	case d.Control.QErr == 2 || d.Control.QErr > 3:
		return fmt.Errorf("Control.QErr is %d, 0, 1 or 3 is allowed", d.Control.QErr)
	case d.Control.QueueAlg > 1:
		return fmt.Errorf("Control.QueueAlg is %d, 0 or 1 is allowed", d.Control.QueueAlg)
	case d.MaxTransfer < 0 || d.MaxTransfer > sgv.MaxLen:
		return fmt.Errorf("MaxTransfer is %d, 0 to %d is allowed", d.MaxTransfer, sgv.MaxLen)
	}
	if d.MaxTransfer == 0 {
		d.MaxTransfer = defaultTransfer
	}
	return nil
}

// resolve looks for the optional interfaces of the handler.
func (d *Device) resolve() {
	d.try, _ = d.h.(scsi.TryExecer)
	d.parser, _ = d.h.(scsi.Parser)
	d.attacher, _ = d.h.(scsi.Attacher)
	d.buffers, _ = d.h.(scsi.BufferProvider)
	d.finisher, _ = d.h.(scsi.Finisher)
	d.observer, _ = d.h.(scsi.TaskObserver)
	d.resetter, _ = d.h.(scsi.Resetter)
	if l, ok := d.h.(scsi.OpcodeLister); ok {
		d.opcodes = d.listOpcodes(l)
		for _, o := range d.opcodes {
			d.known[o.Op/64] |= 1 << (o.Op % 64)
		}
	}
}

// Name is the name under which the device was added.
func (d *Device) Name() string { return d.name }

// Type is the peripheral device type.
func (d *Device) Type() scsi.DeviceType { return d.desc.Type }

// Handler is the handler that was added.
func (d *Device) Handler() scsi.Handler { return d.h }

// SetQueueDepth changes DeviceOptions.QueueDepth. What is queued already stays.
func (d *Device) SetQueueDepth(n int) {
	d.depth.Store(int32(clamp(n, defaultDepth, 1, 65536)))
	d.e.depths.Add(1)
}

// SetWorkers changes DeviceOptions.Workers. Workers that are too many end when they have
// nothing to do. I_T nexuses that have work for them get equal parts of the workers, and each has
// what others leave but for an eighth, which is kept for those who come with less than their part.
func (d *Device) SetWorkers(n int) { d.lane.SetMax(clampWorkers(n)) }

// Offline reports whether the handler has panicked. Commands that need it then end
// with HARDWARE ERROR; remove the device and add it anew.
func (d *Device) Offline() bool { return d.offline.Load() }

// Raise queues a unit attention condition on every nexus of the device: what a program
// calls when it has changed the unit behind the initiators' backs. A code with another
// sense key than UNIT ATTENTION is not raised.
func (d *Device) Raise(ua scsi.Sense) { d.raise(ua, nil) }

// Remove takes the device out of the engine. It fails with ErrInUse while the device
// is mapped, waits for its last command to end, and closes the handler if that is a
// scsi.Closer, whose error it returns. When ctx is done first, the device is out of
// reach but not closed; Remove may be called again. A call that comes while another one closes
// the handler waits for that. It must not be called from a method
// of the handler.
func (d *Device) Remove(ctx context.Context) error {
	d.mu.Lock()
	if d.mapped > 0 {
		n := d.mapped
		d.mu.Unlock()
		return fmt.Errorf("engine: device %q is mapped %d times: %w", d.name, n, ErrInUse)
	}
	d.removed = true
	left := slices.Collect(d.nexuses.all)
	d.mu.Unlock()
	for _, n := range left {
		if err := n.wait(ctx); err != nil {
			return fmt.Errorf("engine: device %q: %w", d.name, err)
		}
	}
	d.mu.Lock()
	first := !d.ending
	d.ending = true
	d.mu.Unlock()
	if !first {
		if err := await(ctx, d.over); err != nil {
			return fmt.Errorf("engine: device %q: another call is closing it: %w", d.name, err)
		}
		return nil
	}
	defer d.forget()
	d.lane.Close()
	if c, ok := d.h.(scsi.Closer); ok {
		return c.Close()
	}
	return nil
}

// forget takes the device out of the engine: until then its name is taken, and who ends the
// engine waits for it.
func (d *Device) forget() {
	d.e.mu.Lock()
	delete(d.e.devices, d.name)
	d.e.mu.Unlock()
	d.e.log.Info("device removed", zap.String(keyDevice, d.name))
	close(d.over)
}

// each calls f for every nexus of the device, without locks.
func (d *Device) each(f func(*nexus)) {
	d.mu.Lock()
	list := slices.Collect(d.nexuses.all)
	d.mu.Unlock()
	for _, n := range list {
		f(n)
	}
}

func deviceID(name string, setup uint16) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(setup >> 8), byte(setup)})
	h.Write([]byte(name))
	return h.Sum64()
}

func clampWorkers(n int) int { return clamp(n, defaultWorkers, 1, 1024) }

func clamp(v, def, lo, hi int) int {
	if v == 0 {
		v = def
	}
	return max(lo, min(v, hi))
}

// host is the scsi.Host of a device.
type host struct{ d *Device }

func (h *host) Name() string                            { return h.d.name }
func (h *host) ID() uint64                              { return h.d.id }
func (h *host) Raise(ua scsi.Sense, except *scsi.Nexus) { h.d.raise(ua, except) }
func (h *host) SetControl(c scsi.Control)               { h.d.setControl(c) }
func (h *host) Persistent() bool                        { return h.d.e.store != nil }

func (h *host) Load(key string) ([]byte, error) {
	if h.d.e.store == nil {
		return nil, errors.ErrUnsupported
	}
	return h.d.e.store.Load(h.d.name + "/" + key)
}

func (h *host) Save(key string, data []byte) error {
	if h.d.e.store == nil {
		return errors.ErrUnsupported
	}
	return h.d.e.store.Save(h.d.name+"/"+key, data)
}
