package engine_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// lending is a handler whose reads lend memory that changes, and a session that holds its
// answers back.
type lending struct {
	*bench
	h     *hooks
	p     *port
	given int
	held  map[uint64]*scsi.Command
}

func newLending(t *testing.T) *lending {
	l := &lending{h: &hooks{desc: scsi.Description{NonBlocking: true}}, held: make(map[uint64]*scsi.Command)}
	l.bench = newBench(t, l.h, nil, nil)
	l.p = l.login("a", &port{hold: true, respond: func(c *scsi.Command) { l.held[c.Tag] = c }})
	l.h.take()
	l.h.exec = func(c *scsi.Command) error {
		if c.CDB()[0] == read1[0] {
			return l.lend(c)
		}
		return nil
	}
	return l
}

func (l *lending) lend(c *scsi.Command) error {
	return c.LendMapped([][]byte{make([]byte, 512)}, func() { l.given++ })
}

func (l *lending) read(tag uint64, attr scsi.TaskAttr) {
	l.p.ask(scsi.Request{Tag: tag, Attr: attr, RawIn: true}, read1...)
}

// executed returns the commands that have reached the handler.
func (l *lending) executed() (list []string) {
	for _, line := range l.h.take() {
		if line[:4] == "exec" {
			list = append(list, line)
		}
	}
	return list
}

// TestMappedReadHoldsItsPlace: what is read when it is sent is sent before an ORDERED task
// begins, and not only before it ends.
func TestMappedReadHoldsItsPlace(t *testing.T) {
	l := newLending(t)
	l.read(1, scsi.Simple)
	l.read(2, scsi.Simple)
	require.Equal(t, []string{"1 GOOD in=512", "2 GOOD in=512"}, l.p.take())
	require.Equal(t, []string{"exec 1", "exec 2"}, l.executed())
	require.True(t, l.held[1].DataMapped())
	l.p.ask(scsi.Request{Tag: 3}, write1...)
	require.Equal(t, []string{"3 GOOD"}, l.p.take(), "SIMPLE tasks may be reordered")
	l.p.ask(scsi.Request{Tag: 4, Attr: scsi.Ordered}, write1...)
	l.read(5, scsi.Simple)
	require.Empty(t, l.p.take())
	require.Equal(t, []string{"exec 3"}, l.executed())
	l.held[2].ResponseSent(nil)
	require.Empty(t, l.p.take())
	require.Equal(t, 1, l.given)
	l.held[1].ResponseSent(errors.New("lost"))
	require.Equal(t, []string{"exec 4", "exec 5"}, l.executed())
	require.Equal(t, []string{"4 GOOD", "5 GOOD in=512"}, l.p.take())
	require.Equal(t, 2, l.given)
	for _, tag := range []uint64{3, 4, 5} {
		l.held[tag].ResponseSent(nil)
	}
	require.Equal(t, 3, l.given)
	l.close()
}

// TestMappedReadIsSimple: tasks for which others wait lend nothing that keeps them waiting,
// nor does a transport get such memory that has not asked for it.
func TestMappedReadIsSimple(t *testing.T) {
	l := newLending(t)
	for _, attr := range []scsi.TaskAttr{scsi.Ordered, scsi.HeadOfQueue} {
		l.read(1, attr)
		require.Equal(t, []string{"1 CHECK CONDITION hardware error: internal target failure (4/44/00)"}, l.p.take(), attr)
		require.False(t, l.held[1].DataMapped())
		l.held[1].ResponseSent(nil)
	}
	failed := errors.New("another error")
	l.h.exec = func(c *scsi.Command) error {
		if err := l.lend(c); !errors.Is(err, errors.ErrUnsupported) {
			return failed
		}
		return nil
	}
	l.p.ask(scsi.Request{Tag: 2}, read1...)
	require.Equal(t, []string{"2 GOOD in=512"}, l.p.take())
	require.False(t, l.held[2].DataMapped())
	l.held[2].ResponseSent(nil)
	require.Zero(t, l.given)

	// The next command in the same memory is not taken for one that has lent.
	l.h.exec = nil
	l.p.ask(scsi.Request{Tag: 3, RawIn: true}, read1...)
	l.p.ask(scsi.Request{Tag: 4, Attr: scsi.Ordered}, write1...)
	require.Equal(t, []string{"3 GOOD in=512", "4 GOOD"}, l.p.take())
	l.held[3].ResponseSent(nil)
	l.held[4].ResponseSent(nil)
	l.close()
}

// TestMappedReadWithoutData: a command that sends nothing of what it has lent holds up nobody.
func TestMappedReadWithoutData(t *testing.T) {
	l := newLending(t)
	var pending scsi.Pending
	for name, end := range map[string]func(){
		"fails": func() { pending.Done(scsi.MediumReadError) },
		"aborted": func() {
			l.p.manage(scsi.AbortTask, 1)
			require.Empty(t, l.p.takeAnswers())
			pending.Done(nil)
			require.Equal(t, []string{"ABORT TASK: FUNCTION COMPLETE"}, l.p.takeAnswers())
		},
	} {
		l.h.exec = func(c *scsi.Command) error {
			pending = c.Defer()
			return l.lend(c)
		}
		l.read(1, scsi.Simple)
		l.h.exec = nil
		end()
		require.Len(t, l.p.take(), 1)
		l.p.ask(scsi.Request{Tag: 2, Attr: scsi.Ordered}, write1...)
		require.Equal(t, []string{"2 GOOD"}, l.p.take(), name)
		l.held[2].ResponseSent(nil)
		l.held[1].ResponseSent(nil)
	}
	require.Equal(t, 2, l.given)
	l.close()
}

// TestFunctionsDoNotWaitForMappedReads: a command whose result is decided is over for task
// management, however long the initiator takes to read its data.
func TestFunctionsDoNotWaitForMappedReads(t *testing.T) {
	l := newLending(t)
	other := l.login("b", nil)
	l.read(1, scsi.Simple)
	for fn, want := range map[scsi.TaskFunction]string{
		scsi.AbortTask: "ABORT TASK: TASK DOES NOT EXIST", scsi.AbortTaskSet: "ABORT TASK SET: FUNCTION COMPLETE",
		scsi.QueryTask: "QUERY TASK: FUNCTION COMPLETE", scsi.ClearTaskSet: "CLEAR TASK SET: FUNCTION COMPLETE",
	} {
		l.p.manage(fn, 1)
		require.Equal(t, []string{want}, l.p.takeAnswers())
	}
	done := make(chan bool)
	l.h.reset = func() { close(done) }
	other.manage(scsi.LogicalUnitReset, 0)
	<-done
	unblock, err := l.dev.Block(t.Context())
	require.NoError(t, err)
	unblock()
	require.Equal(t, []string{"1 GOOD in=512"}, l.p.take())
	require.Zero(t, l.given)

	l.p.s.Close(errors.New("over"))
	require.Empty(t, l.p.closed)
	l.held[1].ResponseSent(errors.New("lost"))
	require.EqualError(t, <-l.p.closed, "over")
	require.Equal(t, 1, l.given)
	l.close()
}

// TestMappedReadsRace sends the answers elsewhere, at any moment, and sees to the order.
func TestMappedReadsRace(t *testing.T) {
	h := &hooks{desc: scsi.Description{NonBlocking: true}}
	b := newBench(t, h, &engine.Options{}, nil)
	var lent, sent, given, ended atomic.Int64
	var wg sync.WaitGroup
	p := b.login("a", &port{hold: true, respond: func(c *scsi.Command) {
		wg.Go(func() {
			ended.Add(1)
			if c.DataMapped() {
				sent.Add(1)
			}
			c.ResponseSent(nil)
		})
	}})
	h.exec = func(c *scsi.Command) error {
		if c.Attr == scsi.Ordered {
			if lent.Load() != sent.Load() {
				return errors.New("a read is on its way")
			}
			return nil
		}
		lent.Add(1)
		return c.LendMapped([][]byte{make([]byte, 512)}, func() { given.Add(1) })
	}
	const n = 2000
	for i := range uint64(n) {
		if i%5 == 4 {
			p.ask(scsi.Request{Tag: i, Attr: scsi.Ordered}, write1...)
		} else {
			p.ask(scsi.Request{Tag: i, RawIn: true}, read1...)
		}
		if i%100 == 99 {
			for ended.Load() <= int64(i) {
				wg.Wait() // who ends one may run those that wait
			}
			h.take()
		}
	}
	wg.Wait()
	require.EqualValues(t, n*4/5, given.Load())
	for _, r := range p.take() {
		require.Contains(t, r, "GOOD")
	}
	b.close()
}

// TestArrivalIsForgottenWhileWaiting: what was known when a command arrived may not hold any more
// when it has waited, for others or for a device to be unblocked, and the handler is told.
func TestArrivalIsForgottenWhileWaiting(t *testing.T) {
	l := newLending(t)
	arrived := make(map[uint64]time.Duration)
	l.h.exec = func(c *scsi.Command) error {
		arrived[c.Tag] = c.Arrived
		return nil
	}
	write := l.p.data
	var held *scsi.Command
	l.p.data = func(c *scsi.Command) { held = c }
	l.p.ask(scsi.Request{Tag: 1, Arrived: 7}, read1...)
	l.p.ask(scsi.Request{Tag: 2, Arrived: 7}, write1...)
	l.p.ask(scsi.Request{Tag: 3, Arrived: 7, Attr: scsi.Ordered}, read1...)
	l.p.ask(scsi.Request{Tag: 4, Arrived: 7}, read1...)
	require.Equal(t, []string{"1 GOOD in=512"}, l.p.take())
	held.DataReceived(nil)
	l.p.data = write
	require.Equal(t, []string{"2 GOOD", "3 GOOD in=512", "4 GOOD in=512"}, l.p.take())
	unblock, err := l.dev.Block(t.Context())
	require.NoError(t, err)
	l.p.ask(scsi.Request{Tag: 5, Arrived: 7}, read1...)
	unblock()
	l.p.ask(scsi.Request{Tag: 6, Arrived: 7}, read1...)
	require.Equal(t, []string{"5 GOOD in=512", "6 GOOD in=512"}, l.p.take())
	require.Equal(t, map[uint64]time.Duration{1: 7, 2: 7, 3: 0, 4: 0, 5: 0, 6: 7}, arrived)
}
