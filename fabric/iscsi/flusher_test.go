package iscsi

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// deferred is a session whose vendor commands end when the test says so.
type deferred struct {
	*peer
	c        *conn
	mu       sync.Mutex
	pending  []scsi.Pending // guarded by mu until all are here; those that have not ended
	parked   chan struct{}
	flushers atomic.Int64 // goroutines that were started
}

// deferCommands parks n vendor commands. Flushers wait for begin to be closed, unless it is nil.
func deferCommands(t *testing.T, n int, begin <-chan struct{}) *deferred {
	l := newLab(t)
	d := &deferred{parked: make(chan struct{}, n)}
	l.fast.bidi = func(c *scsi.Command) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.pending = append(d.pending, c.Defer())
		d.parked <- struct{}{}
		return nil
	}
	d.peer = l.login(false)
	d.c = l.only()
	d.c.txq.mu.Lock()
	flush := d.c.tx.flush
	d.c.tx.flush = func() {
		d.flushers.Add(1)
		if begin != nil {
			<-begin
		}
		flush()
	}
	d.c.txq.mu.Unlock()
	for range n {
		d.send(d.command(0, []byte{0xC0, 5: 0}, false, false, 0).Header, nil)
		<-d.parked
	}
	t.Cleanup(func() {
		for len(d.pending) > 0 {
			d.complete()
		}
	})
	return d
}

// complete ends the command that came first.
func (d *deferred) complete() {
	x := d.pending[0]
	d.pending = d.pending[1:]
	x.Done(nil)
}

// calms waits until the reader has ended its batch and nobody writes, with left commands under way.
func (c *conn) calms(t *testing.T, left int) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.txq.mu.Lock()
		defer c.txq.mu.Unlock()
		return c.txq.commands == c.txq.responses+uint64(left) && !c.txq.writing && c.txq.head == nil
	}, patience, 100*time.Microsecond)
}

// TestAnswersAreFlushedTogether: who completes one of many commands leaves the answer to a flusher,
// so that those that are completed next go with it, and sends that of the last one itself.
func TestAnswersAreFlushedTogether(t *testing.T) {
	const n = 8
	d := deferCommands(t, n, nil)
	for left := n; left > 0; left-- {
		d.c.calms(t, left)
		d.complete()
		d.good()
	}
	require.EqualValues(t, n-1, d.flushers.Load())
}

// TestNobodyWaitsForAFlusher: answers that are left to a flusher which gets no processor leave with
// what the reader answers, and with the last one. There is one such flusher at most.
func TestNobodyWaitsForAFlusher(t *testing.T) {
	begin := make(chan struct{})
	d := deferCommands(t, 4, begin)
	open := sync.OnceFunc(func() { close(begin) })
	defer open()
	d.c.calms(t, 4)
	d.complete()
	d.send(d.command(0, make([]byte, 6), false, false, 0).Header, nil)
	d.good()
	d.good()
	d.c.calms(t, 3)
	d.complete()
	d.complete()
	d.complete()
	d.good()
	d.good()
	d.good()
	d.c.calms(t, 0)
	open()
	d.c.tx.bg.Wait()
	require.EqualValues(t, 1, d.flushers.Load())
}

// TestAnswersAreCounted: a command counts once when it comes and once when it is answered, however
// it ends: else answers would be left to a flusher for ever, or never.
func TestAnswersAreCounted(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "InitialR2T=No", "ImmediateData=Yes", "DataDigest=CRC32C")
		c := l.only()
		tur := func(lun uint64) pdu.SCSICommand { return p.command(lun, make([]byte, 6), false, false, 0) }
		p.send(tur(0).Header, nil)
		p.good()
		c.calms(t, 0)

		r := tur(0) // immediate
		r.SetImmediate(true)
		p.cmdSN--
		p.send(r.Header, nil)
		p.good()
		p.send(tur(9).Header, nil) // no such logical unit
		p.fails(scsi.LogicalUnitNotSupported)
		p.send(p.command(0, []byte{0xFF, 5: 0}, false, false, 0).Header, nil)
		p.fails(scsi.InvalidOpcode)
		c.calms(t, 0)

		r = tur(0) // rejected, and sent again
		r.SetAttr(7)
		p.send(r.Header, nil)
		p.rejected(pdu.RejectInvalidField, r.Header)
		r.SetAttr(pdu.AttrSimple)
		p.send(r.Header, nil)
		p.good()
		c.calms(t, 0)

		w := p.writeCmd(0, 0, 1) // a bad digest
		b := p.wire(w.Header, nil, make([]byte, 512))
		b[len(b)-1]++
		p.sendRaw(b)
		p.rejected(pdu.RejectDataDigest, w.Header)
		p.fails(scsi.ProtocolCRCError)
		c.calms(t, 0)

		late := p.command(0, []byte{0xFF, 5: 0}, false, true, 512) // its unsolicited data is awaited
		late.SetFinal(false)
		p.send(late.Header, nil)
		c.calms(t, 1)
		p.send(p.dataOut(late, pdu.ReservedTag, 0, 0, true), make([]byte, 512))
		p.fails(scsi.InvalidOpcode)
		c.calms(t, 0)

		for _, stuck := range []pdu.SCSICommand{p.readCmd(1, labStuck, 1), p.writeCmd(1, 0, 8)} { // aborted: silent
			p.send(stuck.Header, nil)
			if stuck.Write() {
				p.r2t()
			} else {
				l.held(1)
			}
			c.calms(t, 1)
			p.send(p.tmf(pdu.FuncAbortTask, 1, stuck.ITT(), stuck.CmdSN()), nil)
			p.taskResult(pdu.TaskComplete)
			c.calms(t, 0)
		}
		p.send(p.readCmd(1, labStuck, 1).Header, nil) // with others, by a reset
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
		l.held(2)
		c.calms(t, 2)
		p.send(p.tmf(pdu.FuncLUNReset, 1, pdu.ReservedTag, 0), nil)
		p.taskResult(pdu.TaskComplete)
		c.calms(t, 0)
	})
}

// TestFlushersRace: every command is answered whoever sends the answers, while workers, the reader
// and flushers take turns, the socket fills up, and at last the connection breaks.
func TestFlushersRace(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { raceFlushers(t, pipe, seed) })
		}
	})
}

func raceFlushers(t *testing.T, pipe bool, seed uint64) {
	const depth, rounds = 24, 40
	l := newLab(t)
	p := l.login(pipe)
	c := l.only()
	r := rand.New(rand.NewPCG(seed, 1))
	c.txq.mu.Lock()
	flush := c.tx.flush
	c.tx.flush = func() {
		for range seed {
			runtime.Gosched()
		}
		flush()
	}
	c.txq.mu.Unlock()
	size := 8
	if seed == 3 {
		size = 512 // many of them are more than a socket takes
	}
	for round := range rounds {
		var wire []byte
		waits := make(map[uint32]bool)
		for range 1 + r.IntN(depth) {
			cmd := p.readCmd(uint64(r.IntN(2)), r.IntN(64), 1+r.IntN(size))
			waits[cmd.ITT()] = true
			wire = append(wire, p.wire(cmd.Header, nil, nil)...)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = p.nc.Write(wire) // what has not left is missed below
		}()
		if round == rounds-1 {
			<-sent
			p.nc.Close()
			break
		}
		for len(waits) > 0 {
			h, _, err := p.receive()
			require.NoError(t, err)
			if h.Opcode() == pdu.OpSCSIResponse || h.Opcode() == pdu.OpDataIn && h.DataIn().HasStatus() {
				require.True(t, waits[h.ITT()])
				delete(waits, h.ITT())
			}
		}
		<-sent
		c.calms(t, 0)
	}
	require.Eventually(t, func() bool { return l.srv.Stats().Sessions == 0 }, patience, time.Millisecond)
}
