package engine

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/goscst/goscst/internal/lane"
	handshake "github.com/goscst/goscst/internal/task"
	"github.com/goscst/goscst/internal/taskset"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Phases of data-out. Whoever leaves the phase in which a call of the transport runs, its
// caller or DataReceived, comes second and continues the command; in between, the command
// cannot end.
//
//	requesting ──RequestData returns──► waiting ──abort──► stopping ──Abort returns──► stopped
//	requesting ──abort──► revoked ──RequestData returns──► stopping
//	any ──DataReceived──► here
const (
	dataNone       = iota
	dataRequesting // RequestData runs
	dataRevoked    // and the command has been aborted meanwhile
	dataWaiting    // the transport fetches
	dataStopping   // Aborter.Abort runs
	dataStopped    // the transport has been told to stop
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
	left  time.Duration // when the response left; 0: when it is counted

	status  status
	data    atomic.Uint32
	dataErr error
	sentErr error // why the response could not be sent

	in, out int64 // bytes that the CDB transfers
	lent    int64 // bytes that are charged for what the handler lent
	fetch   bool  // there is data-out to be fetched
	writes  bool  // it changes the medium
	place   taskset.Entry[*task]
	item    lane.Item
	unused  bool      // Trim takes it away
	next    *task     // in a free list, or in a list of parked or released tasks
	waiters []*waiter // guarded by set.mu: who waits for its end
	lingers bool      // guarded by set.mu: it has ended, and leaves the task set when it has been sent
	ua      scsi.Sense
	lost    bool         // a handler that panicked may still use it
	let     atomic.Int32 // of a lost one: 1 when handler or transport has let go of it, 2 when both have
	account account
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

// buffer gets a buffer from the transport, the handler or a pool, in this order.
func (t *task) buffer(n int64) (*sgv.Buf, error) {
	if t.s.bufs != nil {
		if b, err := t.s.bufs.Buffer(&t.Command, int(n)); !unsupported(err) {
			return checkBuffer(b, err, n)
		}
	}
	if t.n.d.buffers != nil {
		if b, err := t.askBuffers(int(n)); !unsupported(err) {
			return checkBuffer(b, err, n)
		}
	}
	if t.st.Data != nil { // what a command needs beside what it has is not the session's next
		return t.n.d.pool.Get(int(n), t.s.limit)
	}
	return t.s.memory(t.n.d.pool, int(n))
}

// checkBuffer refuses a buffer of another length than was asked for: data would be lost,
// or be sent that nobody has written.
func checkBuffer(b *sgv.Buf, err error, n int64) (*sgv.Buf, error) {
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, errBuffer
	}
	if int64(b.Len()) != n {
		b.Release()
		return nil, errBuffer
	}
	return b, nil
}

var errBuffer = errors.New("engine: a BufferProvider's buffer has the wrong length")

// Lend implements task.Owner.
func (t *task) Lend(segs [][]byte, release func(), l handshake.Loan) error {
	n := 0
	for _, s := range segs {
		n += len(s)
	}
	if t.in <= 0 || n == 0 || n != t.Room() {
		return errLent
	}
	if l == handshake.Mapped && t.place.Attr() != taskset.Simple {
		return errLent // others may wait for its end, which is to come soon
	}
	// What is lent is memory too: it stays, and grows what it is lent from, until the initiator
	// has read its answer.
	if t.st.Data == nil && !t.s.fair(int64(n)) {
		return sgv.ErrLimit
	}
	if err := t.s.limit.Acquire(int64(n)); err != nil {
		return err
	}
	b, err := t.n.d.pool.Wrap(segs, release)
	if err != nil {
		t.s.limit.Release(int64(n))
		return err
	}
	t.st.Put(b, l)
	t.repay() // what was lent before
	t.lent = int64(n)
	return nil
}

// takeBack ends what the handler has lent.
func (t *task) takeBack() (lent bool) {
	if lent = t.st.TakeBack(); lent {
		t.repay()
	}
	return lent
}

// repay gives back what is charged for what the handler lent.
func (t *task) repay() {
	if t.lent != 0 {
		t.s.limit.Release(t.lent)
		t.lent = 0
	}
}

var errLent = errors.New("engine: Lend of another length than that of Data, for data-out, or of changing memory for a task that is not SIMPLE")

// aborted reports whether somebody has aborted the command.
func (t *task) aborted() bool { return t.status.has(flagAborted) }

// settle follows Endpoint.Respond: until then the command stays, although the transport
// may have sent the response. It is the transport's now, or gone.
func (t *task) settle() {
	if !t.status.settle() {
		t.free()
	}
}

// ResponseSent implements task.Owner: the command is over.
func (t *task) ResponseSent(err error) {
	if t.gone(err) {
		t.free()
	}
}

// gone notes that the response has left. It reports whether the caller is to free the
// command.
func (t *task) gone(err error) bool {
	t.sentErr = err
	switch t.status.move(StateSent) {
	case StateRespond: // settle comes second
		return false
	case StateSendWait:
		return true
	}
	panic("engine: ResponseSent on a command that has not been responded to")
}

// free ends the life of a command whose response has left.
func (t *task) free() {
	t.finished()
	set, next := t.leave()
	if t.wind() {
		t.s.recycle(t)
	}
	if next != nil {
		set.drain(next)
	}
}

// wind notes how the command ended, and makes it ready for the next one. It reports whether
// there may be one.
func (t *task) wind() bool {
	if t.ua != 0 && t.sentErr != nil {
		t.untell()
	}
	t.close()
	if t.lost {
		t.s.drop(t)
		t.Reclaim()
		return false
	}
	t.release()
	t.st.Recycle()
	t.dataErr, t.sentErr, t.ua, t.in, t.out, t.left = nil, nil, 0, 0, 0, 0
	if t.data.Load() != dataNone {
		t.data.Store(dataNone)
	}
	return true
}

// Reclaim implements task.Owner: a handler that panicked has let go of the command after
// all. Its buffers are not needed any more when the transport has done so too.
func (t *task) Reclaim() {
	if t.let.Add(1) == 2 {
		t.release()
	}
}

// release gives the buffers back.
func (t *task) release() {
	if t.st.Data != nil {
		t.st.Data.Release()
	}
	if t.st.DataOut != nil {
		t.st.DataOut.Release()
	}
	t.repay()
}
