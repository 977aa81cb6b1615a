package backstore

import "sync"

// EventKind says what happened to a store.
type EventKind uint8

// The kinds of Event. Receivers ask for Geometry again at each of them.
const (
	EventCapacity EventKind = iota + 1 // Geometry.Size changed: unit attention 2Ah/09h
	EventChanged                       // Geometry changed otherwise (ReadOnly): 2Ah/01h
	EventInserted                      // a medium is there, perhaps another one: 28h/00h
	EventEjected                       // no medium: I/O returns ErrNoMedium
	EventFault                         // the store failed for good; Err says why
	EventHealthy                       // the store works again
)

// String names the kind.
func (k EventKind) String() string {
	switch k {
	case EventCapacity:
		return "capacity changed"
	case EventChanged:
		return "parameters changed"
	case EventInserted:
		return "medium inserted"
	case EventEjected:
		return "medium ejected"
	case EventFault:
		return "fault"
	case EventHealthy:
		return "healthy"
	}
	return "unknown"
}

// Event is something that a store announces.
type Event struct {
	Kind EventKind
	Err  error // EventFault: the cause
}

// Broadcaster implements Notifier. The zero value is ready for use; it is safe for concurrent use
// and must not be copied. Stores embed it or keep it in a field.
type Broadcaster struct {
	mu   sync.Mutex
	subs []*subscriber // guarded by mu; replaced, never edited, so that Send reads it unlocked
}

type subscriber struct{ fn func(Event) }

// Notify has fn called by each Send until stop is called; see Notifier. stop may be called more
// than once.
func (b *Broadcaster) Notify(fn func(Event)) (stop func()) {
	s := &subscriber{fn: fn}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs[:len(b.subs):len(b.subs)], s)
	return func() { b.remove(s) }
}

// Send calls every function that is registered, one after the other, without holding a lock.
func (b *Broadcaster) Send(e Event) {
	b.mu.Lock()
	subs := b.subs
	b.mu.Unlock()
	for _, s := range subs {
		s.fn(e)
	}
}

func (b *Broadcaster) remove(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rest []*subscriber
	for _, t := range b.subs {
		if t != s {
			rest = append(rest, t)
		}
	}
	b.subs = rest
}
