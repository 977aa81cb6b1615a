package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/goscst/goscst/internal/lane"
	handshake "github.com/goscst/goscst/internal/task"
	"github.com/goscst/goscst/internal/taskset"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// State is where a command is in its life; see the package documentation.
type State uint32

// The states. Those whose names end in Wait are passive: nobody runs the command, and
// somebody holds the right to resume it.
const (
	StateFree      State = iota // not in use
	StateInit                   // the transport fills it in
	StateParse                  // being decoded, buffers are found
	StateDataWait               // the transport fetches data-out
	StateOrderWait              // other tasks come first
	StateBlockWait              // the device is blocked
	StateLaneWait               // all workers are busy
	StateExec                   // the handler runs, or has deferred
	StateRespond                // the transport sends the response
)

// String is the state's name.
func (s State) String() string {
	names := [...]string{"Free", "Init", "Parse", "DataWait", "OrderWait", "BlockWait", "LaneWait", "Exec", "Respond"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint32(s))
}

// Flags of a task, set by whoever aborts it, under its set's lock.
const (
	flagAborted = 1 << iota // end it without execution, or ignore its result
	flagOther               // another nexus did it
	flagTAS                 // and the initiator is to see TASK ABORTED
)

// Phases of data-out.
const (
	dataNone       = iota
	dataRequesting // RequestData runs
	dataWaiting    // RequestData has returned
	dataHere       // DataReceived was called
)

// task is one command in the engine. The goroutine that owns it, which state tells,
// touches the plain fields; set.mu guards what says so.
type task struct {
	scsi.Command
	st    *handshake.State
	s     *Session
	n     *nexus // nil for a LUN that does not exist
	start time.Duration

	state   atomic.Uint32
	flags   atomic.Uint32
	data    atomic.Uint32
	stopped atomic.Bool // Aborter.Abort was called
	dataErr error

	in, out int64 // bytes that the CDB transfers
	place   taskset.Entry[*task]
	item    lane.Item
	next    *task     // in a free list, or in a list of parked or released tasks
	waiters []*waiter // guarded by set.mu: who waits for its end
	ua      scsi.Sense
	lost    bool            // a handler that panicked may still use it
	plain   scsi.SenseError // for conclude
	sense   [96]byte
}

func newTask(s *Session) *task {
	t := &task{s: s}
	t.st = handshake.Of(&t.Command)
	t.st.Owner = t
	t.st.Recycle()
	t.st.Prepare()
	t.place.Task = t
	t.item.Run = t.work
	return t
}

// taskOf is the task that a command is part of.
func taskOf(c *scsi.Command) *task { return handshake.Of(c).Owner.(*task) }

// Buffers of a command, from the transport, the handler or a pool, in this order.
func (t *task) buffer(n int64) (*sgv.Buf, error) {
	if t.s.bufs != nil {
		if b, err := t.s.bufs.Buffer(&t.Command, int(n)); !unsupported(err) {
			return b, err
		}
	}
	if t.n.d.buffers != nil {
		if b, err := t.n.d.buffers.Buffer(&t.Command, int(n)); !unsupported(err) {
			return b, err
		}
	}
	return t.n.d.pool.Get(int(n), t.s.limit)
}

// Lend implements task.Owner.
func (t *task) Lend(segs [][]byte, release func()) error {
	b, err := t.n.d.pool.Wrap(segs, release)
	if err != nil {
		return err
	}
	if t.st.Data != nil {
		t.st.Data.Release()
	}
	t.st.Data = b
	return nil
}

// ResponseSent implements task.Owner: the command is over.
func (t *task) ResponseSent(err error) {
	s, n := t.s, t.n
	if t.ua != 0 {
		if (err != nil || t.st.Silent) && n != nil {
			n.restoreUA(t.ua)
		}
		t.ua = 0
	}
	if n != nil && n.d.finisher != nil {
		n.d.finisher.Finish(&t.Command, scsi.Outcome{Status: t.Status(), Aborted: t.flags.Load()&flagAborted != 0, Delivered: err})
	}
	s.count(t, err)
	lost := t.lost
	if !lost {
		if t.st.Data != nil {
			t.st.Data.Release()
		}
		if t.st.DataOut != nil {
			t.st.DataOut.Release()
		}
		t.st.Recycle()
		t.st.Prepare()
		t.n, t.dataErr, t.in, t.out = nil, nil, 0, 0
		t.flags.Store(0)
		t.data.Store(dataNone)
		t.stopped.Store(false)
	}
	if lost {
		s.drop(t)
	} else {
		s.recycle(t)
	}
	if n != nil {
		n.unref()
	}
}

// count adds an ended command to the session's statistics.
func (s *Session) count(t *task, err error) {
	s.commands.Add(1)
	if t.Status() != scsi.StatusGood || err != nil {
		s.errors.Add(1)
	}
	if t.st.DataIn > 0 {
		s.bytesIn.Add(uint64(t.st.DataIn))
	} else if t.out > 0 && t.data.Load() == dataHere && t.st.Data != nil {
		s.bytesOut.Add(uint64(t.st.Data.Len()))
	}
}
