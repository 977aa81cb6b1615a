package disk_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

// submitter is a store that completes what is submitted: at once, or on goroutines of its
// own, or when the test says so.
type submitter struct {
	*hooked
	inline bool // complete inside Submit
	quiet  bool // keep no list of what was submitted

	mu   sync.Mutex
	park bool            // guarded by mu; ops wait for release
	ops  []*backstore.Op // guarded by mu
	seen []seen          // guarded by mu
	wg   sync.WaitGroup
}

// seen is what a test wants to know of an op.
type seen struct {
	kind backstore.OpKind
	fua  bool
}

func newSubmitter(s backstore.Backstore) *submitter {
	return &submitter{hooked: newHooked(s, backstore.CapNowait)}
}

func (s *submitter) Geometry() backstore.Geometry {
	g := s.hooked.Geometry()
	g.Without &^= backstore.CapSubmit
	return g
}

func (s *submitter) Submit(op *backstore.Op) {
	s.mu.Lock()
	if !s.quiet {
		s.seen = append(s.seen, seen{op.Kind, op.FUA})
	}
	if s.park {
		s.ops = append(s.ops, op)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	if s.inline {
		op.Complete(s.do(op))
		return
	}
	s.wg.Go(func() { op.Complete(s.do(op)) })
}

func (s *submitter) do(op *backstore.Op) error {
	ctx := context.Background()
	if err := s.call(op.Kind.String()); err != nil {
		return err
	}
	switch op.Kind {
	case backstore.OpRead:
		return s.Inner.Readv(ctx, op.Iov, op.Off)
	case backstore.OpWrite:
		if op.FUA {
			return s.Inner.(backstore.FUAWriter).WritevFUA(ctx, op.Iov, op.Off)
		}
		return s.Inner.Writev(ctx, op.Iov, op.Off)
	case backstore.OpFlush:
		return s.Inner.(backstore.Flusher).Flush(ctx, op.Off, op.Len)
	}
	return context.Canceled
}

// release completes what is parked, in the order of arrival.
func (s *submitter) release() {
	s.mu.Lock()
	ops := s.ops
	s.ops, s.park = nil, false
	s.mu.Unlock()
	for _, op := range ops {
		op.Complete(s.do(op))
	}
}

func (s *submitter) kinds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var k []string
	for _, o := range s.seen {
		name := o.kind.String()
		if o.fua {
			name += " FUA"
		}
		k = append(k, name)
	}
	s.seen = nil
	return k
}

func (s *submitter) Close() error {
	s.wg.Wait()
	return s.hooked.Close()
}

// TestSubmitDurable: what is submitted depends on FUA, WCE and the store's abilities.
func TestSubmitDurable(t *testing.T) {
	for _, tt := range []struct {
		name    string
		without backstore.Cap
		through bool
		fua     byte
		want    []string
	}{
		{"cached", 0, false, 0, []string{"write"}},
		{"FUA", 0, false, 8, []string{"write FUA"}},
		{"no WCE", 0, true, 0, []string{"write FUA"}},
		{"FUA emulated", backstore.CapFUA, false, 8, []string{"write", "flush"}},
		{"no WCE emulated", backstore.CapFUA, true, 0, []string{"write", "flush"}},
	} {
		for _, inline := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				s := newSubmitter(newMem(t, &mem.Options{Volatile: true, Without: tt.without}))
				s.inline = inline
				r := newRecorder(t, s, &disk.Options{WriteThrough: tt.through})
				requireGood(t, r.Do(cdb(scsi.OpWrite10, 5, 2, tt.fua), pattern(1, 1024)))
				require.Equal(t, tt.want, s.kinds())
				requireGood(t, r.Do(cdb(scsi.OpRead10, 5, 2), nil))
				require.Equal(t, []string{"read"}, s.kinds())
			})
		}
	}
}

// TestSubmitLocks: a write in flight keeps COMPARE AND WRITE from its blocks until it is
// done, wherever it is done.
func TestSubmitLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubmitter(newMem(t, nil))
		r := newRecorder(t, s, nil)
		s.park = true
		write := r.Start(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512))
		synctest.Wait()
		caw := r.Start(cdb(scsi.OpCompareAndWrite, 0, 1), append(pattern(1, 512), pattern(2, 512)...))
		beside := r.Start(cdb(scsi.OpCompareAndWrite, 1, 1), append(make([]byte, 512), pattern(3, 512)...))
		synctest.Wait()
		requireGood(t, beside.Wait())
		require.False(t, caw.Ended())
		require.Equal(t, []string{"write"}, s.kinds())
		s.release()
		requireGood(t, write.Wait())
		requireGood(t, caw.Wait())
		require.Equal(t, pattern(2, 512), contents(t, s)[:512])
	})
}
