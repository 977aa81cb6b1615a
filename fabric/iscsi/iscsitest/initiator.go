package iscsitest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// Options configure a Login. The zero value logs in to nothing: Target is needed.
type Options struct {
	Name   string // of the initiator; "": DefaultName
	Target string // iSCSI name of the target

	HeaderDigest, DataDigest bool // ask for CRC32C; a target that refuses is an error

	// Keys are offered at login beside those that the initiator needs, as in
	// "InitialR2T=No". They may replace those: MaxRecvDataSegmentLength, MaxBurstLength,
	// FirstBurstLength, ImmediateData and InitialR2T are understood.
	Keys []string
}

// DefaultName is the name of an initiator that has been given none.
const DefaultName = "iqn.2026-11.io.github.goscst:iscsitest"

// ErrClosed is the error of commands of a session that has been closed.
var ErrClosed = errors.New("iscsitest: session is closed")

// Initiator is a session with a target. Its methods may be called from any goroutine.
type Initiator struct {
	conn
	done chan struct{} // closed when the reader has ended

	order sync.Mutex // held while a command takes its number and is sent

	mu     sync.Mutex
	window sync.Cond        // guarded by mu; cmdSN may have become sendable, or err is set
	cmdSN  uint32           // guarded by mu; of the next command
	maxSN  uint32           // guarded by mu; last CmdSN that the target takes
	itt    uint32           // guarded by mu; tag of the next command
	tasks  map[uint32]*task // guarded by mu; in progress, by tag
	err    error            // guarded by mu; why the session is over
}

// task is a command in progress.
type task struct {
	in     []byte
	got    int    // bytes of data-in
	dataSN uint32 // of the next Data-In
	events chan event
}

// event is what a command hears from the target.
type event struct {
	r2t  *pdu.Header // or the end:
	last *pdu.Header // SCSI Response, or Data-In with status
	data []byte      // of a SCSI Response
}

// Result is how a command ended.
type Result struct {
	Status   scsi.Status
	N        int   // bytes of data-in that have arrived
	Residual int64 // positive for underflow, negative for overflow
	Sense    []byte
}

// Login connects to a TCP address and opens a session.
func Login(ctx context.Context, address string, opts *Options) (*Initiator, error) {
	i := &Initiator{done: make(chan struct{}), cmdSN: 1, itt: 1, tasks: make(map[uint32]*task)}
	i.window.L = &i.mu
	keys := []string{"SessionType=Normal", "TargetName=" + opts.Target}
	if err := i.open(ctx, address, opts, keys); err != nil {
		return nil, err
	}
	i.maxSN = i.loginMaxSN
	go i.receive()
	return i, nil
}

// Do sends a command and waits for its end. Only one of out and in may be there. A
// CHECK CONDITION is a *scsi.SenseError, any other status but GOOD and CONDITION MET a
// scsi.StatusError; other errors, and the end of ctx, end the session.
func (i *Initiator) Do(ctx context.Context, lun uint16, cdb, out, in []byte) (Result, error) {
	if len(cdb) > pdu.CDBLen || len(out) > 0 && len(in) > 0 {
		return Result{}, fmt.Errorf("iscsitest: CDB of %d bytes, data-out of %d, data-in of %d: not supported", len(cdb), len(out), len(in))
	}
	t := &task{in: in, events: make(chan event, 4)}
	h, err := i.begin(ctx, t, lun, cdb, out)
	if err != nil {
		return Result{}, i.end(err)
	}
	for {
		select {
		case e := <-t.events:
			if e.r2t == nil {
				return t.result(e)
			}
			if err := i.sendSequence(h, e.r2t.R2T(), out); err != nil {
				return Result{}, i.end(err)
			}
		case <-i.done:
			select {
			case e := <-t.events: // it came before the end
				if e.r2t == nil {
					return t.result(e)
				}
			default:
			}
			return Result{}, i.end(ErrClosed)
		case <-ctx.Done():
			return Result{}, i.end(ctx.Err())
		}
	}
}

// end ends the session because of err. When it returns, nothing writes to the data-in of
// commands any more.
func (i *Initiator) end(err error) error {
	i.fail(err)
	<-i.done
	if errors.Is(err, ErrClosed) {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.over()
	}
	return err
}

// over is ErrClosed with the reason; mu is held.
func (i *Initiator) over() error {
	if errors.Is(i.err, ErrClosed) {
		return i.err
	}
	return fmt.Errorf("%w: %w", ErrClosed, i.err)
}

// begin sends the command as soon as the target's window lets it, with as much data as
// goes with it.
func (i *Initiator) begin(ctx context.Context, t *task, lun uint16, cdb, out []byte) (*pdu.Header, error) {
	stop := context.AfterFunc(ctx, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.window.Broadcast()
	})
	defer stop()
	i.order.Lock()
	defer i.order.Unlock()
	h, err := i.number(ctx, t, lun, cdb, len(out))
	if err != nil {
		return nil, err
	}
	// Data that would be unsolicited and not immediate is never sent: R2Ts ask for it.
	var now []byte
	if i.immediate {
		now = out[:min(len(out), i.maxXmit, i.firstBurst)]
	}
	return h, i.send(h, now)
}

// number makes the header of a command that the window has room for.
func (i *Initiator) number(ctx context.Context, t *task, lun uint16, cdb []byte, out int) (*pdu.Header, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.err == nil && ctx.Err() == nil && pdu.Less(i.maxSN, i.cmdSN) {
		i.window.Wait()
	}
	if i.err != nil {
		return nil, i.over()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	h := new(pdu.Header)
	c := h.InitSCSICommand()
	c.SetLUN(uint64(scsi.MakeLUN(lun, scsi.LUNPeripheral)))
	c.SetAttr(pdu.AttrSimple)
	c.SetRead(len(t.in) > 0)
	c.SetWrite(out > 0)
	c.SetExpectedLen(uint32(len(t.in) + out))
	c.SetCDB(cdb)
	c.SetITT(i.itt)
	c.SetCmdSN(i.cmdSN)
	c.SetExpStatSN(i.expStatSN.Load())
	c.SetFinal(true)
	i.tasks[i.itt] = t
	i.itt++
	i.cmdSN++
	return h, nil
}

// sendSequence answers an R2T.
func (i *Initiator) sendSequence(cmd *pdu.Header, r pdu.R2T, out []byte) error {
	off, n := int(r.Offset()), int(r.DesiredLen())
	if n == 0 || off+n > len(out) || n > i.maxBurst {
		return fmt.Errorf("iscsitest: R2T for %d bytes at %d of %d, MaxBurstLength is %d", n, off, len(out), i.maxBurst)
	}
	for sn := uint32(0); n > 0; sn++ {
		k := min(n, i.maxXmit)
		h := new(pdu.Header)
		d := h.InitDataOut()
		d.SetLUN(cmd.LUN())
		d.SetITT(cmd.ITT())
		d.SetTTT(r.TTT())
		d.SetDataSN(sn)
		d.SetOffset(uint32(off))
		d.SetFinal(k == n)
		d.SetExpStatSN(i.expStatSN.Load())
		if err := i.send(h, out[off:off+k]); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// result is the end of a command.
func (t *task) result(e event) (Result, error) {
	r := Result{N: t.got}
	var n uint32
	var over, under bool
	if e.last.Opcode() == pdu.OpDataIn {
		d := e.last.DataIn()
		r.Status = scsi.Status(d.Status())
		n, over, under = d.Residual()
	} else {
		s := e.last.SCSIResponse()
		if s.Service() != pdu.ResponseCompleted {
			return r, fmt.Errorf("iscsitest: %v", s.Service())
		}
		r.Status = scsi.Status(s.Status())
		n, over, under = s.Residual()
	}
	switch {
	case over:
		r.Residual = -int64(n)
	case under:
		r.Residual = int64(n)
	}
	if len(e.data) >= 2 {
		r.Sense = e.data[2:]
		if n := int(binary.BigEndian.Uint16(e.data)); n != len(r.Sense) {
			return r, fmt.Errorf("iscsitest: %d bytes of sense data, SenseLength is %d", len(r.Sense), n)
		}
	}
	switch r.Status {
	case scsi.StatusGood, scsi.StatusConditionMet:
		return r, nil
	case scsi.StatusCheckCondition:
		s, err := scsi.ParseSense(r.Sense)
		if err != nil {
			return r, fmt.Errorf("iscsitest: CHECK CONDITION: %w", err)
		}
		return r, &s
	}
	return r, scsi.StatusError(r.Status)
}

// Close logs out, ends commands that are in progress with ErrClosed, and closes the
// connection. It always returns nil.
func (i *Initiator) Close() error {
	i.mu.Lock()
	open := i.err == nil
	h := new(pdu.Header)
	l := h.InitLogoutRequest(pdu.LogoutCloseSession)
	l.SetImmediate(true)
	l.SetITT(i.itt)
	l.SetCmdSN(i.cmdSN)
	l.SetExpStatSN(i.expStatSN.Load())
	i.itt++
	if open {
		i.err = ErrClosed
		i.window.Broadcast()
	}
	i.mu.Unlock()
	if !open || i.send(h, nil) != nil {
		_ = i.nc.Close() // wakes the reader
	}
	<-i.done
	return nil
}

// fail ends the session; the first reason counts.
func (i *Initiator) fail(err error) {
	i.mu.Lock()
	if i.err == nil {
		i.err = err
	}
	i.window.Broadcast()
	i.mu.Unlock()
	_ = i.nc.Close() // the reason is known
}
