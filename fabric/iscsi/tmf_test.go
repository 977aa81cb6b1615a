package iscsi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// tmf makes an immediate task management request.
func (p *peer) tmf(f pdu.TaskFunction, lun uint64, ref, refCmdSN uint32) *pdu.Header {
	h := new(pdu.Header)
	r := h.InitTaskRequest(f)
	r.SetImmediate(true)
	r.SetLUN(lun << 48)
	r.SetITT(p.itt)
	r.SetCmdSN(p.cmdSN)
	r.SetExpStatSN(p.expStatSN)
	r.SetRefTag(ref)
	r.SetRefCmdSN(refCmdSN)
	p.itt++
	return h
}

// taskResult reads a Task Management Function Response.
func (p *peer) taskResult(want pdu.TaskResult) {
	p.t.Helper()
	h, _ := p.must(pdu.OpTaskResponse)
	require.Equal(p.t, want, h.TaskResponse().Result())
}

// held waits for n commands to be held up in the blocking disk.
func (l *lab) held(n int) {
	for range n {
		<-l.slow.entered
	}
}

// TestAbortTask aborts a command in each place where it can be.
func TestAbortTask(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		p := l.login(pipe, "InitialR2T=No")

		c := p.writeCmd(1, labStuck, 1) // executing
		p.send(c.Header, make([]byte, 512))
		l.held(1)
		p.send(p.tmf(pdu.FuncAbortTask, 1, c.ITT(), c.CmdSN()), nil)
		p.taskResult(pdu.TaskComplete)

		c = p.writeCmd(0, 0, 8) // waiting for data that was asked for
		p.send(c.Header, nil)
		r := p.r2t()
		p.send(p.tmf(pdu.FuncAbortTask, 0, c.ITT(), c.CmdSN()), nil)
		p.taskResult(pdu.TaskComplete)
		p.send(p.dataOut(c, r.TTT(), 0, 0, true), make([]byte, 4096))

		c = p.writeCmd(0, 0, 8) // waiting for unsolicited data
		c.SetFinal(false)
		p.send(c.Header, nil)
		p.send(p.tmf(pdu.FuncAbortTask, 0, c.ITT(), c.CmdSN()), nil)
		p.taskResult(pdu.TaskComplete)
		p.send(p.dataOut(c, pdu.ReservedTag, 0, 0, true), make([]byte, 4096))

		c = p.readCmd(0, 0, 1) // already answered
		p.send(c.Header, nil)
		p.must(pdu.OpDataIn)
		p.send(p.tmf(pdu.FuncAbortTask, 0, c.ITT(), c.CmdSN()), nil)
		p.taskResult(pdu.TaskDoesNotExist)

		p.send(p.tmf(pdu.FuncAbortTask, 0, 4711, p.cmdSN-100), nil) // never was
		p.taskResult(pdu.TaskDoesNotExist)
		p.alive()
		require.Zero(t, l.fast.writes()+l.slow.writes())
	})
}

// TestTaskFunctions sends every function and looks at the response.
func TestTaskFunctions(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	for _, x := range []struct {
		name string
		f    pdu.TaskFunction
		lun  uint64
		ref  uint32
		want pdu.TaskResult
	}{
		{"abort task set", pdu.FuncAbortTaskSet, 0, pdu.ReservedTag, pdu.TaskComplete},
		{"clear task set", pdu.FuncClearTaskSet, 0, pdu.ReservedTag, pdu.TaskComplete},
		{"clear ACA", pdu.FuncClearACA, 0, pdu.ReservedTag, pdu.TaskComplete},
		{"LUN reset", pdu.FuncLUNReset, 0, pdu.ReservedTag, pdu.TaskComplete},
		{"warm reset", pdu.FuncTargetWarmReset, 0, pdu.ReservedTag, pdu.TaskComplete},
		{"reassign", pdu.FuncTaskReassign, 0, 5, pdu.TaskReassignNotSupported},
		{"unknown", 77, 0, pdu.ReservedTag, pdu.TaskNotSupported},
		{"no such LUN", pdu.FuncLUNReset, 9, pdu.ReservedTag, pdu.TaskLUNDoesNotExist},
		{"tag where none belongs", pdu.FuncLUNReset, 0, 5, pdu.TaskRejected},
	} {
		p.send(p.tmf(x.f, x.lun, x.ref, 0), nil)
		h, _ := p.must(pdu.OpTaskResponse)
		require.Equal(t, x.want, h.TaskResponse().Result(), x.name)
	}
	for _, f := range []pdu.TaskFunction{pdu.FuncQueryTask, pdu.FuncQueryTaskSet, pdu.FuncQueryAsyncEvent, pdu.FuncITNexusReset} {
		p.send(p.tmf(f, 0, pdu.ReservedTag, 0), nil)
		p.taskResult(pdu.TaskNotSupported) // without iSCSIProtocolLevel 2
	}
	p.clearUA(0)

	h := p.tmf(pdu.FuncLUNReset, 0, pdu.ReservedTag, 0) // in the command order
	h.SetImmediate(false)
	p.cmdSN++
	p.send(h, nil)
	r, _ := p.must(pdu.OpTaskResponse)
	require.Equal(t, p.cmdSN, r.Response().ExpCmdSN())
	p.clearUA(0)
}

// TestTaskFunctionsSAM5 sends the functions of RFC 7144.
func TestTaskFunctionsSAM5(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "iSCSIProtocolLevel=2")
	c := p.readCmd(1, labStuck, 1)
	p.send(c.Header, nil)
	l.held(1)
	p.send(p.tmf(pdu.FuncQueryTask, 1, c.ITT(), c.CmdSN()), nil)
	p.taskResult(pdu.TaskSucceeded)
	p.send(p.tmf(pdu.FuncQueryTask, 1, c.ITT()+1, c.CmdSN()), nil)
	p.taskResult(pdu.TaskComplete)
	p.send(p.tmf(pdu.FuncQueryTaskSet, 1, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskSucceeded)
	p.send(p.tmf(pdu.FuncQueryTaskSet, 0, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskComplete)
	p.send(p.tmf(pdu.FuncQueryAsyncEvent, 0, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskComplete)
	p.send(p.tmf(pdu.FuncITNexusReset, 0, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskComplete)
	p.send(p.tmf(pdu.FuncQueryAsyncEvent, 0, pdu.ReservedTag, 0), nil)
	h, _ := p.must(pdu.OpTaskResponse)
	require.Equal(t, pdu.TaskSucceeded, h.TaskResponse().Result())
	require.Equal(t, []byte{0x16, 0x29, 0x07}, h[8:11])
	p.clearUA(0)
}

// TestResetManyTasks resets a unit with commands in every place, of two sessions.
func TestResetManyTasks(t *testing.T) {
	l := newLab(t)
	p := l.login(false, "InitialR2T=No")
	q := l.connect(false)
	q.isid[5]++
	q.login()
	q.clearUA(0)
	q.clearUA(1)
	for range 20 {
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
		q.send(q.readCmd(1, labStuck, 1).Header, nil)
		p.send(p.writeCmd(1, labStuck, 1).Header, make([]byte, 512))
		p.send(p.writeCmd(1, 0, 1).Header, nil)
	}
	for range 20 {
		p.must(pdu.OpR2T)
	}
	q.alive() // what it has sent has come: later reads would be stuck and keep all workers
	p.send(p.tmf(pdu.FuncLUNReset, 1, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskComplete)
	p.send(p.readCmd(1, 0, 1).Header, nil)
	p.fails(scsi.DeviceReset)
	p.clearUA(1)
	q.clearUA(1)
	require.Zero(t, l.slow.writes())
}

// TestColdReset ends the sessions of the target after the answer.
func TestColdReset(t *testing.T) {
	l := newLab(t)
	p := l.login(false)
	q := l.connect(false)
	q.isid[5]++
	q.login()
	p.send(p.tmf(pdu.FuncTargetColdReset, 0, pdu.ReservedTag, 0), nil)
	p.taskResult(pdu.TaskComplete)
	for _, x := range []*peer{p, q} {
		h, _ := x.must(pdu.OpAsync)
		require.Equal(t, pdu.AsyncDropSession, h.Async().Event())
		x.gone()
	}
	p.nc = l.dial(false)
	p.tsih = 0
	p.login()
}
