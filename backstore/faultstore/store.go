package faultstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/goscst/goscst/backstore"
)

// Options describe a Store. The zero value passes everything through.
type Options struct {
	Rules    []Rule
	Seed     uint64        // of everything that is left to chance
	PowerCut bool          // remember what Cut may lose; writes are slower and one at a time
	Loss     Loss          // what Cut takes
	Hide     backstore.Cap // abilities of the inner store that are left out

	// Observe is told when the inner store is about to be touched, and again afterwards, when
	// Done is set. It must not call the Store. nil: nobody is told.
	Observe func(Call)
}

// Call is one call to the inner store.
type Call struct {
	Op    Ops
	Range backstore.Extent
	Done  bool  // it has returned
	Err   error // what it returned
}

// Store is a Backstore that fails as it is told. It has the abilities of the inner store, less
// Submitter; with PowerCut it is a Flusher and a FUAWriter in any case. It owns the inner store.
type Store struct {
	backstore.Passthrough
	events backstore.Broadcaster
	opts   Options
	a      backstore.Abilities // of Inner
	stuck  gate
	mu     sync.Mutex
	rules  rules // guarded by mu

	// power is held for reading while Inner is touched, and for writing while the history changes,
	// and by Cut and Close.
	power sync.RWMutex
	hist  *history   // guarded by power; nil without PowerCut
	rng   *rand.Rand // guarded by power
	gone  error      // guarded by power; after Cut and Close: what every call returns
}

// New wraps inner. opts may be nil.
func New(inner backstore.Backstore, opts *Options) *Store {
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{opts: *opts, a: backstore.Resolve(inner), rng: rand.New(rand.NewPCG(opts.Seed, 2))}
	s.Inner, s.Hide = inner, opts.Hide
	if opts.PowerCut {
		s.hist = newHistory(inner.Geometry().BlockSize)
	}
	s.SetRules(opts.Rules...)
	return s
}

// SetRules replaces the rules and begins to count anew. What is stuck stays so.
func (s *Store) SetRules(list ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rules{list: list, count: make([]int, len(list)), rng: rand.New(rand.NewPCG(s.opts.Seed, 1))}
}

// Release lets the first n stuck calls go, or all if n is negative, and returns how many that were.
func (s *Store) Release(n int) int { return s.stuck.open(n) }

// Stuck is the number of calls that are stuck.
func (s *Store) Stuck() int { return s.stuck.len() }

// WaitStuck waits until n calls are stuck at once, or ctx is done.
func (s *Store) WaitStuck(ctx context.Context, n int) error { return s.stuck.waitFor(ctx, n) }

// Emit announces an event as if it came from the store.
func (s *Store) Emit(e backstore.Event) { s.events.Send(e) }

// Geometry is that of the inner store, Volatile with PowerCut.
func (s *Store) Geometry() backstore.Geometry {
	g := s.Passthrough.Geometry()
	g.Without &^= backstore.CapNotify
	if s.opts.PowerCut {
		g.Volatile = !g.ReadOnly
		g.Without &^= backstore.CapFlush | backstore.CapFUA
	}
	g.Without |= s.Hide
	return g
}

// Cut is a power failure: it returns the store as it is afterwards, without rules. Calls that are
// inside the inner store end first, and no later call, stuck ones included, reaches it: they fail
// with ErrNotReady.
func (s *Store) Cut() (*Store, error) {
	s.power.Lock()
	defer s.power.Unlock()
	if s.gone != nil {
		return nil, s.gone
	}
	if s.hist != nil {
		if err := s.hist.lose(s.Inner, s.opts.Loss, s.rng); err != nil {
			return nil, err
		}
	}
	s.gone = backstore.ErrNotReady
	opts := s.opts
	opts.Rules = nil
	opts.Seed = s.rng.Uint64()
	return New(s.Inner, &opts), nil
}

// Unflushed is how many bytes Cut may change.
func (s *Store) Unflushed() int64 {
	s.power.RLock()
	defer s.power.RUnlock()
	if s.hist == nil {
		return 0
	}
	return int64(len(s.hist.blocks)) * s.hist.bs
}

// Close closes the inner store, unless Cut has handed it on. A failed Close may be repeated.
func (s *Store) Close() error {
	s.power.RLock()
	gone := s.gone
	s.power.RUnlock()
	if gone != nil {
		return nil
	}
	return s.call(context.Background(), OpClose, backstore.Extent{}, func(backstore.Extent) error {
		s.power.Lock()
		defer s.power.Unlock()
		if s.gone != nil {
			return nil
		}
		s.gone = backstore.ErrClosed
		return s.Inner.Close()
	})
}

// Notify registers fn for the events of Emit and for those of the inner store.
func (s *Store) Notify(fn func(backstore.Event)) (stop func()) {
	stopMine := s.events.Notify(fn)
	stopInner := s.Passthrough.Notify(fn)
	return func() { stopMine(); stopInner() }
}

// call finds the rule for a call and does what it says; do makes the call, or the first part of it.
func (s *Store) call(ctx context.Context, op Ops, e backstore.Extent, do func(e backstore.Extent) error) error {
	s.mu.Lock()
	found := s.rules.find(op, e, false)
	if found == nil {
		s.mu.Unlock()
		return do(e)
	}
	r := *found
	s.mu.Unlock()
	if r.Delay > 0 {
		timer := time.NewTimer(r.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if r.Stick {
		s.stuck.wait()
	}
	if r.Panic {
		panic("faultstore: injected panic")
	}
	if r.Err == nil {
		return do(e)
	}
	if bs := int64(s.Inner.Geometry().BlockSize); r.Partial && e.Len >= 2*bs {
		if err := do(backstore.Extent{Off: e.Off, Len: e.Len / bs / 2 * bs}); err != nil {
			return err
		}
	}
	return r.Err
}

// touch makes a call to the inner store that changes nothing.
func (s *Store) touch(op Ops, e backstore.Extent, do func() error) error {
	s.power.RLock()
	defer s.power.RUnlock()
	if s.gone != nil {
		return s.gone
	}
	return s.observed(op, e, do)
}

// change makes a call to the inner store that changes e, and remembers what was there.
func (s *Store) change(op Ops, e backstore.Extent, do func() error) error {
	if !s.opts.PowerCut {
		return s.touch(op, e, do)
	}
	g := s.Inner.Geometry()
	if err := g.CheckRange(e.Off, e.Len); err != nil || g.ReadOnly {
		return s.touch(op, e, do) // it fails, or should
	}
	s.power.Lock()
	defer s.power.Unlock()
	if s.gone != nil {
		return s.gone
	}
	if err := s.hist.record(s.Inner, e); err != nil {
		return err
	}
	return s.observed(op, e, do)
}

func (s *Store) observed(op Ops, e backstore.Extent, do func() error) error {
	if s.opts.Observe == nil {
		return do()
	}
	s.opts.Observe(Call{Op: op, Range: e})
	err := do()
	s.opts.Observe(Call{Op: op, Range: e, Done: true, Err: err})
	return err
}

// flush makes e durable in the inner store and forgets what was there. Called with power locked.
func (s *Store) flush(ctx context.Context, e backstore.Extent) error {
	if s.a.Flusher != nil {
		if err := s.a.Flusher.Flush(ctx, e.Off, e.Len); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	s.hist.durable(e)
	return nil
}

// quiet reports whether no rule would act on a call that must not block.
func (s *Store) quiet(op Ops, e backstore.Extent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules.find(op, e, true) == nil
}

// count counts a call that was made without asking the rules.
func (s *Store) count(op Ops, e backstore.Extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules.find(op, e, false)
}
