package iscsi

import (
	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// protocolLevelSAM5 is the iSCSIProtocolLevel with the functions of RFC 7144.
const protocolLevelSAM5 = 2

// function is a task management function in progress.
type function struct {
	task      fabric.Task
	c         *conn
	itt       uint32
	immediate bool
	frees     uint32
}

// taskRequest takes a Task Management Function Request (RFC 7143 11.5).
func (c *conn) taskRequest(h *pdu.Header) error {
	p := h.TaskRequest()
	if h.Immediate() && c.immediates.Load() >= maxImmediates {
		return c.reject(h, pdu.RejectTooManyImmediate)
	}
	fn, result := c.taskFunction(p)
	if result == pdu.TaskComplete && h.Immediate() && affectsMany(fn) && pdu.Less(c.expCmdSN.Load(), p.CmdSN()) {
		// Commands before it are still missing, and it is about them too (RFC 7143 4.2.3.2).
		return c.hold(h, nil, segment{whole: true})
	}
	c.accept(h)
	f := &function{c: c, itt: p.ITT(), immediate: h.Immediate()}
	f.task = fabric.Task{Function: fn, LUN: scsi.LUN(h.LUN()), Tag: uint64(p.RefTag()), Driver: f}
	if !f.immediate {
		f.frees = 1
	}
	if result != pdu.TaskComplete {
		f.answer(result, nil)
		return nil
	}
	if fn == scsi.AbortTask {
		unborn, err := c.abortUnborn(p)
		if err != nil {
			return err
		}
		if unborn {
			f.frees++
			f.answer(pdu.TaskComplete, nil)
			return nil
		}
	}
	c.nx.Manage(&f.task)
	return nil
}

// taskFunction maps the function of a request, or says why it is not performed.
func (c *conn) taskFunction(p pdu.TaskRequest) (scsi.TaskFunction, pdu.TaskResult) {
	var fn scsi.TaskFunction
	switch p.Function() {
	case pdu.FuncAbortTask:
		return scsi.AbortTask, pdu.TaskComplete
	case pdu.FuncAbortTaskSet:
		fn = scsi.AbortTaskSet
	case pdu.FuncClearACA:
		fn = scsi.ClearACA
	case pdu.FuncClearTaskSet:
		fn = scsi.ClearTaskSet
	case pdu.FuncLUNReset:
		fn = scsi.LogicalUnitReset
	case pdu.FuncTargetWarmReset:
		fn = scsi.TargetReset
	case pdu.FuncTargetColdReset:
		fn = scsi.ColdReset
	case pdu.FuncTaskReassign: // ErrorRecoveryLevel is not 2
		return 0, pdu.TaskReassignNotSupported
	case pdu.FuncQueryTask:
		fn = scsi.QueryTask
	case pdu.FuncQueryTaskSet:
		fn = scsi.QueryTaskSet
	case pdu.FuncITNexusReset:
		fn = scsi.NexusReset
	case pdu.FuncQueryAsyncEvent:
		fn = scsi.QueryAsyncEvent
	default:
		return 0, pdu.TaskNotSupported
	}
	switch {
	case p.Function() >= pdu.FuncQueryTask && c.par.ProtocolLevel < protocolLevelSAM5:
		return 0, pdu.TaskNotSupported
	case fn != scsi.QueryTask && p.RefTag() != pdu.ReservedTag: // RFC 7143 11.5.4
		return 0, pdu.TaskRejected
	}
	return fn, pdu.TaskComplete
}

// affectsMany reports whether a function ends tasks that it does not name.
func affectsMany(fn scsi.TaskFunction) bool {
	switch fn {
	case scsi.AbortTaskSet, scsi.ClearACA, scsi.ClearTaskSet, scsi.LogicalUnitReset,
		scsi.TargetReset, scsi.ColdReset, scsi.NexusReset:
		return true
	}
	return false
}

// abortUnborn handles ABORT TASK of a command that has not come: its number is considered
// received (RFC 7143 11.6.1). It reports false if the number is not one of those; an error
// ends the connection.
func (c *conn) abortUnborn(p pdu.TaskRequest) (bool, error) {
	ref := p.RefCmdSN()
	if !pdu.InWindow(ref, c.expCmdSN.Load(), c.maxCmdSN.Load()) || !pdu.Less(ref, p.CmdSN()) {
		return false, nil
	}
	if held := c.held.find(ref); held != nil && (held.plug || held.hdr.ITT() != p.RefTag()) {
		return false, nil
	}
	return true, c.plug(ref)
}

// TaskDone implements fabric.Endpoint.
func (s *session) TaskDone(t *fabric.Task) {
	f := t.Driver.(*function)
	var then func(error)
	if t.Function == scsi.ColdReset && t.Response == scsi.FunctionComplete {
		srv, name := s.srv, s.key.target
		then = func(error) { srv.endSessions(name, errColdReset) }
	}
	f.answer(taskResult(t), then)
}

// taskResult maps a service response to the response code of RFC 7143 11.6.1.
func taskResult(t *fabric.Task) pdu.TaskResult {
	switch t.Response {
	case scsi.FunctionComplete:
		return pdu.TaskComplete
	case scsi.FunctionSucceeded:
		return pdu.TaskSucceeded
	case scsi.IncorrectLUN:
		return pdu.TaskLUNDoesNotExist
	case scsi.TaskNotFound:
		return pdu.TaskDoesNotExist
	case scsi.FunctionUnsupported:
		return pdu.TaskNotSupported
	}
	return pdu.TaskRejected
}

// answer sends the response.
func (f *function) answer(result pdu.TaskResult, then func(error)) {
	p := &outPDU{frees: f.frees, immediate: f.immediate, sent: then}
	r := p.hdr.InitTaskResponse(result)
	r.SetITT(f.itt)
	if result == pdu.TaskSucceeded {
		copy(r.Header[8:11], f.task.Additional[:]) // additional response information (RFC 7144)
	}
	f.c.send(p)
}
