package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/sgv"
)

// Engine holds devices and targets. There is no global one; several in a process do
// not meet. All methods may be called from any goroutine.
type Engine struct {
	log    *zap.Logger
	pool   *sgv.Pool
	ownsIt bool // pool
	limit  *sgv.Limit
	store  Store
	events Events
	setup  uint16
	epoch  time.Time
	depths atomic.Uint64  // grows whenever the queue depth of a device has changed
	work   sync.WaitGroup // every goroutine of the engine but the lanes'

	ending sync.Mutex // held while everything is let go of

	mu      sync.Mutex
	devices map[string]*Device // guarded by mu; nil for one whose handler is being bound
	targets map[string]*Target // guarded by mu
	ports   map[uint16]*Target // guarded by mu; by relative identifier
	closed  bool               // guarded by mu
	past    Traffic            // guarded by mu; of sessions that are over
}

// New makes an engine; nil options are ready for use.
func New(opts *Options) *Engine {
	if opts == nil {
		opts = &Options{}
	}
	e := &Engine{
		log:     opts.Logger,
		pool:    opts.Pool,
		limit:   sgv.NewLimit(memoryLimit(opts), nil),
		store:   opts.Store,
		events:  opts.Events,
		setup:   opts.SetupID,
		epoch:   time.Now(),
		devices: make(map[string]*Device),
		targets: make(map[string]*Target),
		ports:   make(map[uint16]*Target),
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	if e.pool == nil {
		e.pool, e.ownsIt = sgv.NewPool(&sgv.Options{Name: "engine"}), true
	}
	return e
}

// Device finds a device by its name.
func (e *Engine) Device(name string) (*Device, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.devices[name]
	return d, d != nil
}

// Devices returns all devices, sorted by name.
func (e *Engine) Devices() []*Device {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*Device, 0, len(e.devices))
	for _, d := range e.devices {
		if d != nil {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *Device) int { return cmp.Compare(a.name, b.name) })
	return out
}

// Target finds a target by its name.
func (e *Engine) Target(name string) (*Target, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, ok := e.targets[name]
	return t, ok
}

// Targets returns all targets, sorted by name.
func (e *Engine) Targets() []*Target {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*Target, 0, len(e.targets))
	for _, t := range e.targets {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Target) int { return cmp.Compare(a.name, b.name) })
	return out
}

// Shutdown ends the engine in order: new logins are refused, initiators are asked to
// log out, and when ctx is done the sessions that are left are closed. It waits until
// no command runs, then removes targets and devices and closes handlers and buffers.
// If commands are still running when ctx is done, their sessions are aborted, and
// Shutdown returns an error that wraps ctx.Err and says what holds it up; it may be
// called again to wait on.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	targets := e.Targets()
	for _, t := range targets {
		t.refuse(ErrEngineClosed)
		t.requestLogout(ctx)
	}
	var held error
	for _, t := range targets {
		if err := t.drain(ctx, ErrEngineClosed); err != nil {
			held = err
		}
	}
	if held != nil {
		return fmt.Errorf("engine: shutdown: %w (%d commands are left)", held, len(e.Commands()))
	}
	return e.release()
}

// Close ends the engine at once: sessions are closed, their commands aborted. It waits
// until no command runs, however long a handler takes; use Shutdown to wait for a
// limited time.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	targets := e.Targets()
	for _, t := range targets {
		t.refuse(ErrEngineClosed)
		for _, s := range t.sessionList() {
			s.Close(ErrEngineClosed)
		}
	}
	for _, t := range targets {
		if err := t.drain(context.Background(), ErrEngineClosed); err != nil {
			return err
		}
	}
	return e.release()
}

// release lets go of everything when no session is left.
func (e *Engine) release() error {
	e.ending.Lock()
	defer e.ending.Unlock()
	var errs []error
	for _, t := range e.Targets() {
		errs = append(errs, t.Remove(context.Background()))
	}
	for _, d := range e.Devices() {
		errs = append(errs, d.Remove(context.Background()))
	}
	e.work.Wait()
	if e.ownsIt {
		errs = append(errs, e.pool.Close())
		e.ownsIt = false
	}
	return errors.Join(errs...)
}

// forget drops a session that has ended, but not what it has counted.
func (e *Engine) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.collect(&e.past, nil)
	s.t.mu.Lock()
	s.t.strike(s)
	s.t.mu.Unlock()
}

// MemoryLimit bounds the data buffers of all commands. Transports and programs that use
// the engine's pool for buffers of their own may charge it too.
func (e *Engine) MemoryLimit() *sgv.Limit { return e.limit }

// now is the time since the engine was made; cheaper than time.Now.
func (e *Engine) now() time.Duration { return time.Since(e.epoch) }

// spawn runs f on a goroutine that Close waits for.
func (e *Engine) spawn(f func()) {
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		f()
	}()
}
