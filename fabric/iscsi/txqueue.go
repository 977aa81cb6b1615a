package iscsi

import (
	"sync"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// itemKind says what an item of the send queue becomes.
type itemKind uint8

const (
	itemResponse itemKind = iota // Data-In and status of a command, or nothing if it is silent
	itemR2T                      // the R2Ts of a command that have not been sent
	itemPDU                      // one PDU that is ready but for its numbers
)

// txItem is an entry of a connection's send queue. It is part of what it sends, so that
// queueing allocates nothing, and is in the queue at most once.
type txItem struct {
	next *txItem
	task *task   // of itemResponse and itemR2T
	pdu  *outPDU // of itemPDU
	kind itemKind
}

// outPDU is a PDU of the rarer kinds on its way out. Who makes it gives it away with
// conn.send.
type outPDU struct {
	item txItem
	hdr  pdu.Header // all but StatSN, command window and data length
	data []byte     // data segment

	keepStatSN bool   // it shows the next StatSN and does not take it
	frees      uint32 // how many places in the command window it gives back
	immediate  bool   // it answers an immediate request
	last       bool   // the connection sends nothing after it

	// sent, if not nil, is called once, when the PDU has left or cannot: on any goroutine,
	// without locks. It must not block.
	sent func(err error)
}

// txQueue is the send queue of a connection and the right to write. Whoever finds a
// queue that nobody else takes care of takes the role of the writer and keeps it until
// the queue is empty: the reader at the end of a batch, a goroutine of the engine that
// completes the only command, or a goroutine of its own, the flusher, once the socket is full or
// when other commands are still being executed. It may be long until that gets a processor: who
// would write by himself if nobody did takes the role from it until it begins.
//
//	       push, nobody writes          socket full, or its share done
//	idle ────────────────────► writing ─────────────────────────────► left ────► flushing
//	  ▲ │                       │   ▲    uncork, or the last answer    │ ▲ it begins  │
//	  │ │                       │   └──────────────────────────────────┘ │            │
//	  │ └───────────────────────┼─── push, others are being executed ────┘            │
//	  └─────────────────────────┴─── queue empty ─────────────────────────────────────┘
//
// While the reader has input that is already in memory (corked), the others leave
// their items to it, and one vectored write at its end takes all. A goroutine that completes one
// command after another, a worker or the one that takes completions from a ring, goes on with that
// before a flusher gets to run on its processor, which then sends what has been completed
// meanwhile. If another processor is idle, the flusher runs there at once.
type txQueue struct {
	mu         sync.Mutex
	head, tail *txItem // guarded by mu
	bytes      int     // guarded by mu; data in the queue since it was last taken
	others     int     // guarded by mu; items of kind itemPDU not yet sent, and
	otherBytes int     // guarded by mu; the bytes of their data
	writing    bool    // guarded by mu; somebody has the role of the writer, and
	left       bool    // guarded by mu; that is a flusher that has not begun
	flusher    bool    // guarded by mu; there is a flusher that has not begun
	corked     bool    // guarded by mu; the reader will take it
	dead       bool    // guarded by mu; nothing can be sent any more
	commands   uint64  // guarded by mu; how many the reader had submitted when it last uncorked
	responses  uint64  // guarded by mu; how many commands have come back to be answered
}

// Bounds of the send queue.
const (
	// flushBytes is how much data waits for the end of the reader's batch.
	flushBytes = 1 << 20
	// maxOthers and maxOtherBytes bound what an initiator that does not read can have
	// queued apart from answers to commands, which the command window bounds. The answers
	// to all that one read brings are queued before any of them is sent, and must fit.
	maxOthers     = 2 * rxBufSize / pdu.HeaderLen
	maxOtherBytes = 1 << 20
)

// push queues it, with data of about n bytes, and sees to it that somebody sends it. It
// does not block.
func (c *conn) push(it *txItem, n int) {
	q := &c.txq
	q.mu.Lock()
	if q.dead {
		q.mu.Unlock()
		c.complete(it, errConnClosed)
		return
	}
	it.next = nil
	if q.tail == nil {
		q.head = it
	} else {
		q.tail.next = it
	}
	q.tail = it
	q.bytes += n
	if it.kind == itemResponse {
		q.responses++
	}
	if q.taken() || q.corked && q.bytes < flushBytes {
		q.mu.Unlock()
		return
	}
	if !q.corked && q.commands > q.responses {
		c.startFlusher()
		q.mu.Unlock()
		return
	}
	q.writing, q.left = true, false
	q.mu.Unlock()
	c.write(false)
}

// taken reports whether somebody takes care of the queue; mu is held.
func (q *txQueue) taken() bool { return q.writing && !q.left }

// send queues a PDU of the rarer kinds. If the initiator has let too many pile up, the
// connection ends. It does not block.
func (c *conn) send(p *outPDU) {
	p.item.kind, p.item.pdu = itemPDU, p
	p.hdr.SetDataLen(len(p.data))
	q := &c.txq
	q.mu.Lock()
	q.others++
	q.otherBytes += len(p.data)
	full := q.others > maxOthers || q.otherBytes > maxOtherBytes
	q.mu.Unlock()
	if full {
		c.fail(errSlowReader)
	}
	c.push(&p.item, len(p.data))
}

// cork makes the others leave their items to the reader, which calls uncork soon.
func (c *conn) cork() {
	c.txq.mu.Lock()
	c.txq.corked = true
	c.txq.mu.Unlock()
}

// uncork sends what has been queued since cork.
func (c *conn) uncork() {
	q := &c.txq
	q.mu.Lock()
	q.corked = false
	q.commands = c.stats.commands
	if q.head == nil || q.taken() {
		q.mu.Unlock()
		return
	}
	q.writing, q.left = true, false
	q.mu.Unlock()
	c.write(false)
}

// kill makes every item that is or will be queued fail. The connection is closed.
func (c *conn) kill() {
	q := &c.txq
	q.mu.Lock()
	q.dead, q.corked = true, false
	if q.writing { // the writer finds out
		q.mu.Unlock()
		return
	}
	q.writing = true
	q.mu.Unlock()
	c.write(false)
}

// gone takes a PDU of the rarer kinds off the account.
func (q *txQueue) gone(p *outPDU) {
	q.mu.Lock()
	q.others--
	q.otherBytes -= len(p.data)
	q.mu.Unlock()
}

// complete tells the owner of an item that it has left, or why it could not. The item
// may be another's afterwards.
func (c *conn) complete(it *txItem, err error) {
	switch it.kind {
	case itemResponse:
		it.task.cmd.ResponseSent(err)
	case itemPDU:
		p := it.pdu
		c.txq.gone(p)
		if p.sent != nil {
			p.sent(err)
		}
	case itemR2T: // its command is answered by itself
	}
}
