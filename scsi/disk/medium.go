package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
)

// medium is a store in use, with what is known of it. All fields but the atomic ones are
// set by use. What READ and WRITE look at comes first.
type medium struct {
	blocks   atomic.Uint64 // capacity; follows the store
	maxIO    int           // bytes of one call; 0: no limit
	volatile bool          // what is written may sit in a cache until a flush
	readOnly atomic.Bool
	intact   atomic.Int64        // Arrived of the last READ for which the mapping was intact when looked at; 0: it was not
	ab       backstore.Abilities // one that can be taken out lends nothing: it may be closed while responses are on their way
	store    backstore.Backstore

	d    *Disk
	stop func()
	ops  sync.Pool // of *operation: Op.Driver is of one Submitter

	gone  atomic.Bool           // the store says that it has no medium
	fault atomic.Pointer[error] // the store says that it has failed; nil: it works

	// users counts the commands that use the medium of a removable disk, less draining
	// while it is on its way out.
	users   atomic.Int64
	drained chan struct{} // capacity 1; a token when the last user has left
}

const draining = 1 << 40

// use makes the zero value the medium that a store is, if that suits the disk.
func (m *medium) use(d *Disk, store backstore.Backstore, ab *backstore.Abilities) error {
	geo := store.Geometry()
	if err := geo.Validate(); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err := checkBlockSize(d.blockSize, geo); err != nil {
		return err
	}
	m.d, m.store, m.ab, m.volatile, m.maxIO = d, store, *ab, geo.Volatile, geo.MaxIO&^(d.blockSize-1)
	m.drained = make(chan struct{}, 1)
	if d.opts.Removable {
		m.ab.Lender, m.ab.MapLender = nil, nil
	}
	if m.volatile && m.ab.Flusher == nil {
		return errors.New("disk: the store has a volatile cache and cannot flush it")
	}
	if geo.MaxIO != 0 && m.maxIO == 0 {
		return fmt.Errorf("disk: the store moves at most %d bytes at once, less than a block of %d", geo.MaxIO, d.blockSize)
	}
	m.ops.New = func() any { return &operation{m: m} }
	m.refresh()
	return nil
}

// listen makes the events of the store reach m, until m.stop.
func (m *medium) listen() {
	m.stop = func() {}
	if m.ab.Notifier != nil {
		m.stop = m.ab.Notifier.Notify(m.event)
		m.refresh() // what happened before Notify
	}
}

// refresh takes over what may change of a store's geometry.
func (m *medium) refresh() {
	geo := m.store.Geometry()
	m.blocks.Store(uint64(max(geo.Size, 0)) >> m.d.shift)
	m.readOnly.Store(geo.ReadOnly || m.d.opts.ReadOnly)
}

// event passes on what the store announces.
func (m *medium) event(e backstore.Event) {
	m.refresh()
	var ua scsi.Sense
	switch e.Kind {
	case backstore.EventCapacity:
		ua = scsi.CapacityChanged
	case backstore.EventChanged:
		ua = scsi.ModeParametersChanged
	case backstore.EventInserted:
		m.gone.Store(false)
		ua = scsi.MediumMayHaveChanged
	case backstore.EventEjected:
		m.gone.Store(true)
	case backstore.EventFault:
		err := e.Err
		m.fault.Store(&err)
	case backstore.EventHealthy:
		m.fault.Store(nil)
	}
	if ua != scsi.NoSense && m.d.med.Load() == m {
		m.d.unit.Host().Raise(ua, nil)
	}
}

// ready is nil, or why the medium cannot be used.
func (m *medium) ready() error {
	if m.gone.Load() {
		return scsi.MediumNotPresent
	}
	if err := m.fault.Load(); err != nil {
		return &scsi.SenseError{Sense: scsi.LogicalUnitFailure, Cause: *err}
	}
	return nil
}

// hold keeps the medium in its place until release. It fails when it is on its way out.
func (m *medium) hold() bool {
	if m.users.Add(1) > 0 {
		return true
	}
	m.release()
	return false
}

func (m *medium) release() {
	if m.users.Add(-1) == -draining {
		select {
		case m.drained <- struct{}{}:
		default: // a hold that failed came to the same end
		}
	}
}

// drain lets nobody in and waits until the last user has left. After an error the medium
// is in use as before.
func (m *medium) drain(ctx context.Context) error {
	if m.users.Add(-draining) == -draining {
		return nil
	}
	for {
		select {
		case <-m.drained:
			if m.users.Load() <= -draining {
				return nil
			}
		case <-ctx.Done():
			m.reopen()
			return ctx.Err()
		}
	}
}

// reopen lets users in again after drain.
func (m *medium) reopen() { m.users.Add(draining) }

// lends reports whether mapped memory of the store may answer c: it was intact at some time
// since c arrived.
func (m *medium) lends(c *scsi.Command) bool {
	at := int64(c.Arrived)
	if at > 0 && at <= m.intact.Load() {
		return true
	}
	if !m.ab.MapLender.Intact() {
		m.intact.Store(0) // those that came before look for themselves, too
		return false
	}
	if at > 0 {
		m.intact.Store(at)
	}
	return true
}

// fits reports whether the store moves n bytes in one call.
func (m *medium) fits(n int) bool { return m.maxIO == 0 || n <= m.maxIO }

// chunk is how many of n bytes one call moves.
func (m *medium) chunk(n int64) int {
	if m.maxIO != 0 && n > int64(m.maxIO) {
		return m.maxIO
	}
	return int(min(n, maxTransfer))
}
