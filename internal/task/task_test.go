package task

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/sgv"
)

func TestMain(m *testing.M) { leak.Main(m) }

// owner is an engine that only keeps books.
type owner struct {
	done      []error
	reclaimed int
}

func (o *owner) Done(err error)                    { o.done = append(o.done, err) }
func (o *owner) DataReceived(error)                {}
func (o *owner) ResponseSent(error)                {}
func (o *owner) Reclaim()                          { o.reclaimed++ }
func (o *owner) Lend([][]byte, func(), Loan) error { return nil }
func (o *owner) NeedData() error                   { return nil }

var errTest = errors.New("test")

func newState() (*State, *owner) {
	o := new(owner)
	s := &State{Owner: o}
	s.Recycle()
	s.Begin()
	return s, o
}

func TestSynchronous(t *testing.T) {
	s, o := newState()
	parked, late := s.Return()
	require.False(t, parked)
	require.False(t, late)
	require.Empty(t, o.done)
}

func TestReturnThenComplete(t *testing.T) {
	s, o := newState()
	gen := s.Defer()
	parked, late := s.Return()
	require.True(t, parked)
	require.False(t, late)
	require.Empty(t, o.done)
	s.Complete(gen, errTest)
	require.Equal(t, []error{errTest}, o.done)
	require.Equal(t, errTest, s.Err)
}

func TestCompleteThenReturn(t *testing.T) {
	s, o := newState()
	s.Complete(s.Defer(), errTest)
	require.Empty(t, o.done, "Complete inside of Exec does not call the engine")
	parked, late := s.Return()
	require.False(t, parked)
	require.True(t, late)
	require.Equal(t, errTest, s.Err)
	require.Empty(t, o.done)
}

func TestGenerations(t *testing.T) {
	s, o := newState()
	seen := map[uint64]bool{}
	for range 5 {
		gen := s.Defer()
		require.False(t, seen[gen])
		seen[gen] = true
		s.Return()
		s.Complete(gen, nil)
		require.Panics(t, func() { s.Complete(gen, nil) }, "twice")
		s.Begin()
		require.NoError(t, s.Err)
		require.Panics(t, func() { s.Complete(gen, nil) }, "of an execution that is over")
	}
	require.Len(t, o.done, 5)
}

func TestMisuse(t *testing.T) {
	s, o := newState()
	gen := s.Defer()
	require.PanicsWithValue(t, "scsi: Command.Defer called twice or outside Exec", func() { s.Defer() })
	s.Complete(gen, nil)
	require.PanicsWithValue(t, "scsi: Pending.Done called twice", func() { s.Complete(gen, nil) })
	s.Return()
	require.Panics(t, func() { s.Complete(gen, nil) }, "after Return")
	require.Panics(t, func() { s.Defer() }, "after Return")
	s.Begin()
	require.PanicsWithValue(t, "scsi: Pending.Done on a command that has ended", func() { s.Complete(gen, nil) })
	require.PanicsWithValue(t, "scsi: Pending.Done on a command that has ended", func() { s.Complete(gen+7, nil) })
	s.Return()
	require.Panics(t, func() { s.Defer() }, "outside of Exec")
	require.Empty(t, o.done)
}

func TestAbandon(t *testing.T) {
	s, _ := newState()
	require.False(t, s.Abandon(), "nobody deferred")
	require.False(t, s.Abandon())

	s, o := newState()
	gen := s.Defer()
	require.True(t, s.Abandon(), "a Pending is outstanding")
	require.Zero(t, o.reclaimed)
	s.Complete(gen, errTest)
	require.Empty(t, o.done, "a late Complete is harmless")
	require.Equal(t, 1, o.reclaimed, "and gives the command back")
	require.Panics(t, func() { s.Complete(gen, errTest) }, "once")

	s, o = newState()
	gen = s.Defer()
	s.Complete(gen, errTest)
	require.False(t, s.Abandon(), "the Pending has been used")
	require.Equal(t, errTest, s.Err)
	s.Begin()
	gen = s.Defer()
	s.Complete(gen, nil)
	require.Panics(t, func() { s.Complete(gen, nil) })
	require.Empty(t, o.done)
}

func TestRecycle(t *testing.T) {
	pool := sgv.NewPool(nil)
	b, err := pool.Get(10, nil)
	require.NoError(t, err)
	s, _ := newState()
	require.Negative(t, s.DataIn)
	s.Nexus, s.Data, s.DataOut, s.Sense, s.Err = 1, b, b, []byte{1}, errTest
	s.DataIn, s.Status, s.Residual, s.ResidOut, s.Silent = 5, 2, 3, 4, true
	owner := s.Owner
	s.Recycle()
	require.Equal(t, owner, s.Owner)
	require.Nil(t, s.Nexus)
	require.Nil(t, s.Data)
	require.Nil(t, s.DataOut)
	require.Nil(t, s.Sense)
	require.NoError(t, s.Err)
	require.Negative(t, s.DataIn)
	require.Zero(t, s.Status)
	require.Zero(t, s.Residual)
	require.Zero(t, s.ResidOut)
	require.False(t, s.Silent)
	b.Release()
	require.NoError(t, pool.Close())
}

// racer is a command and its engine. Return and Complete of one execution race for it.
type racer struct {
	State
	gen       uint64
	give      error // to Complete
	got       error // by the one who continued
	continued int   // how often; written without a lock by whoever continues
	note      int   // written by either side before the handshake, read by whoever continues
}

func (r *racer) Done(err error)                    { r.end(err) }
func (r *racer) DataReceived(error)                {}
func (r *racer) ResponseSent(error)                {}
func (r *racer) Reclaim()                          {}
func (r *racer) Lend([][]byte, func(), Loan) error { return nil }
func (r *racer) NeedData() error                   { return nil }

func (r *racer) end(err error) {
	r.got = err
	if r.note == 1 {
		r.continued++
	}
}

// TestRacingCompletions lets Exec's return and Done meet 200,000 times. Exactly one of
// them continues each command, with the error given to Done, and sees what the other wrote
// before. Two goroutines work through the same batch of commands, in the same order or in
// opposite ones, so that now the one is first and now the other.
func TestRacingCompletions(t *testing.T) {
	const batch, rounds = 1000, 200
	racers := make([]racer, batch)
	var byReturn int
	for round := range rounds {
		for i := range racers {
			r := &racers[i]
			r.Owner = r
			r.Begin()
			r.gen, r.give, r.got, r.continued, r.note = r.Defer(), nil, nil, 0, 0
			if i&1 != 0 {
				r.give = errTest
			}
		}
		var wg sync.WaitGroup
		running := make(chan struct{})
		wg.Go(func() {
			close(running)
			for i := range racers {
				if round&1 != 0 {
					i = batch - 1 - i
				}
				r := &racers[i]
				r.note++
				r.Complete(r.gen, r.give)
			}
		})
		<-running
		for i := range racers {
			r := &racers[i]
			parked, late := r.Return()
			if parked == late {
				t.Fatalf("parked %v, late %v", parked, late)
			}
			if late {
				r.end(r.Err)
				byReturn++
			}
		}
		wg.Wait()
		for i := range racers {
			if r := &racers[i]; r.continued != 1 || r.got != r.give {
				t.Fatalf("continued %d times, with %v and not %v", r.continued, r.got, r.give)
			}
		}
	}
	t.Logf("%d of %d continued by Return", byReturn, batch*rounds)
}

// TestRacingAbandon lets the engine give up while Done comes: either Done was in time,
// or it does nothing.
func TestRacingAbandon(t *testing.T) {
	for range 2000 {
		s, o := newState()
		gen := s.Defer()
		var wg sync.WaitGroup
		wg.Go(func() { s.Complete(gen, errTest) })
		outstanding := s.Abandon()
		if !outstanding && s.Err != errTest {
			t.Fatal("Done was in time, and its error is lost")
		}
		wg.Wait()
		if len(o.done) != 0 {
			t.Fatal("the engine was called for a command that it gave up")
		}
	}
}

func TestHandshakeIsFree(t *testing.T) {
	s, o := newState()
	s.Prepare()
	o.done = make([]error, 0, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Begin()
		s.Return()
		s.Begin()
		s.Complete(s.Defer(), errTest)
		s.Return()
		s.Begin()
		gen := s.Defer()
		s.Return()
		s.Complete(gen, nil)
		if s.Context().Err() != nil {
			panic("cancelled")
		}
		s.Recycle()
	}))
}
