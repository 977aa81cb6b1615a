package iscsitest

import (
	"errors"
	"fmt"
	"io"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// receive reads what the target sends, until the connection ends.
func (i *Initiator) receive() {
	defer close(i.done)
	for {
		h, data, err := i.read()
		if err == nil {
			err = i.take(h, data)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = ErrClosed
			}
			i.fail(err)
			return
		}
	}
}

// take handles one PDU.
func (i *Initiator) take(h *pdu.Header, data []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if sn := h.Response().MaxCmdSN(); pdu.Less(i.maxSN, sn) {
		i.maxSN = sn
		i.window.Broadcast()
	}
	switch h.Opcode() {
	case pdu.OpDataIn, pdu.OpR2T, pdu.OpSCSIResponse:
		t := i.tasks[h.ITT()]
		if t == nil {
			return fmt.Errorf("iscsitest: %v for no command", h.Opcode())
		}
		return i.takeOf(t, h, data)
	case pdu.OpNOPIn:
		i.pong(h)
	case pdu.OpAsync:
		if e := h.Async().Event(); e == pdu.AsyncLogout {
			go func() { _ = i.Close() }() // a wish that is granted
		}
	case pdu.OpLogoutResp:
		return ErrClosed
	default:
		return fmt.Errorf("iscsitest: unexpected %v", h.Opcode())
	}
	return nil
}

// takeOf handles a PDU of a command; mu is held.
func (i *Initiator) takeOf(t *task, h *pdu.Header, data []byte) error {
	e := event{last: h}
	switch h.Opcode() {
	case pdu.OpR2T:
		e = event{r2t: h}
	case pdu.OpSCSIResponse:
		e.data = data
	case pdu.OpDataIn:
		d := h.DataIn()
		if d.DataSN() != t.dataSN || int(d.Offset()) != t.got || len(data) > len(t.in)-t.got {
			return fmt.Errorf("iscsitest: Data-In %d with %d bytes at %d, expected number %d at %d of %d",
				d.DataSN(), len(data), d.Offset(), t.dataSN, t.got, len(t.in))
		}
		copy(t.in[t.got:], data)
		t.got += len(data)
		t.dataSN++
		if !d.HasStatus() {
			return nil
		}
	}
	if e.r2t == nil {
		delete(i.tasks, h.ITT())
	}
	select {
	case t.events <- e:
		return nil
	default:
		return errors.New("iscsitest: more R2Ts than MaxOutstandingR2T")
	}
}

// pong answers a NOP-In that wants an answer; mu is held. The reader does not wait for
// the writer: both ends might wait for each other.
func (i *Initiator) pong(h *pdu.Header) {
	ttt := h.NOPIn().TTT()
	if ttt == pdu.ReservedTag {
		return
	}
	out := new(pdu.Header)
	n := out.InitNOPOut()
	n.SetImmediate(true)
	n.SetLUN(h.LUN())
	n.SetITT(pdu.ReservedTag)
	n.SetTTT(ttt)
	n.SetCmdSN(i.cmdSN)
	n.SetExpStatSN(i.expStatSN.Load())
	go func() { _ = i.send(out, nil) }() // an error of the connection is the reader's to see
}
