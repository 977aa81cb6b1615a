package local

import (
	"context"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// function is a task management function in progress.
type function struct {
	fabric.Task
	i     *Initiator // counted by enter; nil for an abort on behalf of Do
	ended chan struct{}
}

func newFunction(t *fabric.Task) *function {
	f := &function{Task: *t, ended: make(chan struct{})}
	f.Driver = f
	return f
}

// end is called by the engine.
func (f *function) end() {
	close(f.ended)
	if f.i != nil {
		if f.Function == scsi.ColdReset {
			f.i.refuse()
			f.i.s.Close(errReset)
		}
		f.i.leave()
	}
}

// Manage performs a task management function and waits for its end. lun counts for
// functions of a logical unit, tag, of a Command, for ABORT TASK and QUERY TASK. The
// answer, in Response and Additional of the result, is the truth: when ABORT TASK says
// FUNCTION COMPLETE, the command has ended. After TARGET COLD RESET the session ends.
//
// When ctx is done, Manage returns its error, and the function goes on.
func (i *Initiator) Manage(ctx context.Context, fn scsi.TaskFunction, lun uint16, tag uint64) (fabric.Task, error) {
	f := newFunction(&fabric.Task{Function: fn, LUN: scsi.MakeLUN(lun, scsi.LUNPeripheral), Tag: tag})
	f.i = i
	if !i.enter() {
		return fabric.Task{}, ErrClosed
	}
	i.s.Manage(&f.Task)
	select {
	case <-f.ended:
	case <-ctx.Done():
		return fabric.Task{}, ctx.Err()
	}
	t := f.Task
	t.Driver = nil
	return t, nil
}
