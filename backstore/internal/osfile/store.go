package osfile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
)

// Store is what is the same in stores on a File. It is safe for concurrent use after Init.
type Store struct {
	Loss

	// Resizing is held by who changes the size; see Resize. It is taken before anything else.
	Resizing sync.Mutex

	file     *File
	events   *backstore.Broadcaster
	geo      backstore.Geometry // Size and ReadOnly are in size and readOnly
	size     atomic.Int64
	readOnly atomic.Bool

	syncing sync.Mutex    // one Datasync at a time; see Sync
	begun   atomic.Uint64 // Datasyncs that have begun
	covered uint64        // guarded by syncing; the last one of them that succeeded

	telling sync.Mutex
	calls   Calls      // guarded by telling
	ended   *sync.Cond // on telling; one of calls has

	// active is held for reading by every operation on the file, and for writing by Close and
	// other exclusive work, so that none hits what has got the descriptor since.
	active sync.RWMutex
	closed bool // guarded by active
}

// Init makes a store of what is described by g. Events go to events. What is not open for writing has
// nothing to flush. What is may have, also while it is write-protected: what was written before, or will
// be afterwards; and Volatile stays as it is.
func (s *Store) Init(f *File, events *backstore.Broadcaster, g backstore.Geometry) {
	g.Volatile = g.Volatile && !f.ReadOnly
	s.file, s.events, s.geo = f, events, g
	s.ended = sync.NewCond(&s.telling)
	s.size.Store(g.Size)
	s.readOnly.Store(g.ReadOnly)
}

// Geometry describes the store.
func (s *Store) Geometry() backstore.Geometry {
	g := s.geo
	g.Size, g.ReadOnly = s.size.Load(), s.readOnly.Load()
	return g
}

// SetSize changes the size, and reports whether it was another one.
func (s *Store) SetSize(size int64) (changed bool) { return s.size.Swap(size) != size }

// Refresh asks look for the size and the write protection, and announces what has changed.
func (s *Store) Refresh(look func() (size int64, readOnly bool, err error)) error {
	resized, changed, err := s.refresh(look)
	if resized {
		s.events.Send(backstore.Event{Kind: backstore.EventCapacity})
	}
	if changed {
		s.events.Send(backstore.Event{Kind: backstore.EventChanged})
	}
	return err
}

func (s *Store) refresh(look func() (int64, bool, error)) (resized, changed bool, err error) {
	s.Resizing.Lock()
	defer s.Resizing.Unlock()
	if err := s.Begin(0, 0); err != nil {
		return false, false, err
	}
	defer s.End()
	size, ro, err := look()
	if err != nil {
		return false, false, err
	}
	return s.SetSize(size), s.readOnly.Swap(ro) != ro, nil
}

// Begin begins an operation on a range. On an error there is no End.
func (s *Store) Begin(off, n int64) error {
	s.active.RLock()
	if err := s.check(off, n); err != nil {
		s.active.RUnlock()
		return err
	}
	return nil
}

// beginWrite is Begin of an operation that changes something.
func (s *Store) beginWrite(off, n int64) error {
	if err := s.Begin(off, n); err != nil {
		return err
	}
	if s.readOnly.Load() {
		s.active.RUnlock()
		return backstore.ErrReadOnly
	}
	return nil
}

// End ends an operation.
func (s *Store) End() { s.active.RUnlock() }

// endWrite ends an operation that may have found a loss.
func (s *Store) endWrite() {
	s.active.RUnlock()
	s.TellLoss()
}

// TellLoss announces the first loss. No lock is held.
func (s *Store) TellLoss() { s.Tell(s.events) }

// check is called with active held.
func (s *Store) check(off, n int64) error {
	if s.closed {
		return backstore.ErrClosed
	}
	return s.Geometry().CheckRange(off, n)
}

// Alone runs do when no other operation is under way, and lets none begin meanwhile.
func (s *Store) Alone(do func() error) error {
	s.active.Lock()
	defer s.active.Unlock()
	if s.closed {
		return backstore.ErrClosed
	}
	return do()
}

// Closed reports whether the store is closed.
func (s *Store) Closed() bool {
	s.active.RLock()
	defer s.active.RUnlock()
	return s.closed
}

// Close waits for operations that are under way, lets none begin from now on, and runs do, unless
// it was called before.
func (s *Store) Close(do func() error) error {
	s.active.Lock()
	defer s.active.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return do()
}

// Readv reads.
func (s *Store) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.Begin(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.End()
	return s.file.Transfer(ctx, Read, iov, off)
}

// Writev writes.
func (s *Store) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	if s.file.Waits() {
		defer s.endWrite()
		return s.waited(func() error { return s.file.Transfer(ctx, Write, iov, off) })
	}
	defer s.End()
	return s.file.Transfer(ctx, Write, iov, off)
}

// waited makes a write that waits until it is durable.
func (s *Store) waited(write func() error) error {
	if err := s.Err(); err != nil {
		return err
	}
	return s.told(func() error {
		err := write()
		switch {
		case err == nil:
		case s.file.LosesData(err):
			return s.Note(err)
		case s.file.Cached() && errors.Is(err, backstore.ErrNoSpace):
			return s.full(err)
		}
		return err
	})
}

// full finds out whether a durable write that was told that there is no space was refused, or told
// that something is lost, be it its own data or others'. If a flush cannot know, it counts as lost.
func (s *Store) full(err error) error {
	if !s.file.Apart() {
		return s.Note(err)
	}
	if lost := s.Sync(); lost != nil {
		return lost
	}
	return err
}

// told makes a call that the system may tell of a loss, which call notes. What the system has told one
// counts for all that had begun before he has noted it; see Calls. Past the page cache each is told of
// his own, and waits for nobody.
func (s *Store) told(call func() error) error {
	s.telling.Lock()
	k := s.calls.Begin()
	s.telling.Unlock()
	err := call()
	s.telling.Lock()
	begun := s.calls.End(k)
	s.ended.Broadcast()
	for err == nil && s.file.Cached() && !s.calls.Over(begun) {
		s.ended.Wait()
	}
	s.telling.Unlock()
	if err != nil {
		return err
	}
	return s.Err()
}

// WritevFUA writes what is durable when it returns; where the system does not know that, it writes
// and flushes.
func (s *Store) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if err := s.beginWrite(off, backstore.Len(iov)); err != nil {
		return err
	}
	defer s.endWrite()
	kind := WriteSync
	if s.file.Waits() {
		kind = Write // is one, also where the system knows no others
	}
	err := s.waited(func() error { return s.file.Transfer(ctx, kind, iov, off) })
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := s.file.Transfer(ctx, Write, iov, off); err != nil {
		return err
	}
	return s.Sync()
}

// TryReadv reads what does not have to be waited for.
func (s *Store) TryReadv(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.End()
	if err := s.check(off, backstore.Len(iov)); err != nil {
		return err
	}
	return s.file.TryRead(iov, off)
}

// TryWritev writes where the page cache takes the data at once.
func (s *Store) TryWritev(iov [][]byte, off int64) error {
	if !s.active.TryRLock() {
		return backstore.ErrWouldBlock
	}
	defer s.End()
	if err := s.check(off, backstore.Len(iov)); err != nil {
		return err
	}
	if s.readOnly.Load() {
		return backstore.ErrReadOnly
	}
	return s.file.TryWrite(iov, off)
}

// Flush makes everything durable, whatever the range.
func (s *Store) Flush(ctx context.Context, off, n int64) error {
	if err := s.Begin(off, n); err != nil {
		return err
	}
	defer s.endWrite()
	if err := ctx.Err(); err != nil || s.file.ReadOnly {
		return err
	}
	return s.Sync()
}

// Sync is called between Begin and End, or alone. One asks the system at a time, and who waits is
// served by a call that began after it came. Durable writes may be told instead; see Calls.
func (s *Store) Sync() error {
	before := s.begun.Load()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err := s.Err(); err != nil {
		return err
	}
	if s.covered > before {
		return nil
	}
	n := s.begun.Add(1)
	sync := func() error {
		if err := s.file.Datasync(); err != nil {
			return s.Note(err)
		}
		return s.Err()
	}
	var err error
	if s.file.Apart() {
		err = sync()
	} else {
		err = s.told(sync)
	}
	if err == nil {
		s.covered = n
	}
	return err
}

// Unmap calls do for pieces of the extents, which are checked.
func (s *Store) Unmap(ctx context.Context, extents []backstore.Extent, do func(off, n int64) error) error {
	if err := s.beginWrite(0, 0); err != nil {
		return err
	}
	defer s.endWrite()
	if err := s.Geometry().CheckExtents(extents); err != nil {
		return err
	}
	return s.change(ctx, extents, do)
}

// Zero calls do for pieces of a range, which is checked.
func (s *Store) Zero(ctx context.Context, off, n int64, do func(off, n int64) error) error {
	if err := s.beginWrite(off, n); err != nil {
		return err
	}
	defer s.endWrite()
	return s.change(ctx, []backstore.Extent{{Off: off, Len: n}}, do)
}

// change makes a change of the allocation, and in a store without a write cache durable: O_DSYNC
// does not cover it.
func (s *Store) change(ctx context.Context, extents []backstore.Extent, do func(off, n int64) error) error {
	if err := inPieces(ctx, extents, do); err != nil || s.geo.Volatile {
		return err
	}
	return s.Sync()
}
