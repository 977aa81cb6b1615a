package engine

import (
	"context"
	"errors"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// conclude turns the error with which a command ended into status, sense data, the
// length of data-in, and residuals. It is the only place that does.
func (t *task) conclude(err error) {
	st := t.st
	status, sense := scsi.StatusGood, (*scsi.SenseError)(nil)
	switch e := err.(type) {
	case nil:
	case scsi.Sense:
		t.plain = scsi.SenseError{Sense: e}
		status, sense = scsi.StatusCheckCondition, &t.plain
	case *scsi.SenseError:
		status, sense = scsi.StatusCheckCondition, e
	case scsi.StatusError:
		status = e.Status()
	default:
		t.plain = scsi.SenseError{}
		status, sense = classify(err, &t.plain)
	}
	if st.Room > 0 && st.Data == nil && st.DataIn != 0 && sense == nil && (status == scsi.StatusGood || status == scsi.StatusConditionMet) {
		// The handler has neither lent nor asked for the place of what it says it has read.
		t.plain = scsi.SenseError{Sense: scsi.InternalTargetFailure}
		status, sense = scsi.StatusCheckCondition, &t.plain
	}
	st.Status = uint8(status)
	st.Sense = nil
	if sense != nil {
		st.Sense = scsi.AppendSense(t.sense[:0], sense, t.descriptor(sense.Sense))
	}
	t.residuals(status)
}

// classify looks through wrapped errors; anything that it does not know is the
// handler's failure, never a success.
func classify(err error, plain *scsi.SenseError) (scsi.Status, *scsi.SenseError) {
	var rich *scsi.SenseError
	if errors.As(err, &rich) {
		return scsi.StatusCheckCondition, rich
	}
	var status scsi.StatusError
	if errors.As(err, &status) {
		return status.Status(), nil
	}
	if !errors.As(err, &plain.Sense) {
		plain.Sense = scsi.InternalTargetFailure
		if errors.Is(err, errAborted) || errors.Is(err, context.Canceled) {
			plain.Sense = scsi.CommandAborted
		}
	}
	return scsi.StatusCheckCondition, plain
}

// descriptor is the sense data format (SPC-4 4.5.1): by D_SENSE, but for those unit
// attentions that are told in fixed format.
func (t *task) descriptor(s scsi.Sense) bool {
	if t.n == nil || s.Key() == scsi.KeyUnitAttention && fixedOnly(s) {
		return false
	}
	return t.n.d.control.Load().DSense
}

// residuals computes what was transferred against what the initiator expected, in the
// direction that it announced. Data-in goes with GOOD and CONDITION MET only.
func (t *task) residuals(status scsi.Status) {
	st := t.st
	st.Residual, st.ResidOut = 0, 0
	have, room := int64(0), 0 // bytes that the command has for the initiator, and of them in the buffer
	if t.in > 0 || t.n == nil {
		room = bufLen(st.Data)
	}
	switch {
	case status != scsi.StatusGood && status != scsi.StatusConditionMet:
		st.DataIn = 0
	case st.DataIn >= 0:
		st.DataIn = min(st.DataIn, room)
		have = int64(st.DataIn)
	case t.in > 0 && t.wholeBlocks():
		st.DataIn, have = room, t.in
	default:
		st.DataIn = 0
	}
	if !t.ExpectedSet {
		return
	}
	st.DataIn = int(min(int64(st.DataIn), int64(t.ExpectedIn)))
	in := int64(t.ExpectedIn) - have
	out := int64(t.ExpectedOut) - t.out
	switch {
	case t.ExpectedIn > 0 && t.ExpectedOut > 0:
		st.Residual, st.ResidOut = in, out
	case t.ExpectedOut > 0:
		st.Residual = out
	case t.ExpectedIn > 0 || have > 0:
		st.Residual = in
	default:
		st.Residual = out
	}
}

// overrule is the last word on a command that was aborted: its own nexus hears nothing
// of it any more; another nexus hears TASK ABORTED if TAS says so, and a unit
// attention otherwise (SAM-5 5.6).
func (t *task) overrule(flags uint32) {
	if flags&flagAborted == 0 {
		return
	}
	if t.ua != 0 {
		t.untell()
	}
	st := t.st
	st.DataIn, st.Sense, st.Residual, st.ResidOut = 0, nil, 0, 0
	if flags&(flagOther|flagTAS) == flagOther|flagTAS {
		st.Status = uint8(scsi.StatusTaskAborted)
		return
	}
	st.Silent = true
}

func bufLen(b *sgv.Buf) int {
	if b == nil {
		return 0
	}
	return b.Len()
}
