package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// The matrix: a command in each state it can wait in, met by everything that can end
// it, with a handler that ends well, badly, or by itself because its context is
// cancelled. Whatever happens, the promises of the engine hold: one response, none for
// what its own nexus aborted, no answer to the function while the handler has the
// command, no command, buffer or nexus left behind.

// victims bring command 1 of session A into a state.
var victims = map[string]func(m *matrix){
	"DataWait": func(m *matrix) {
		m.a.slowData = true
		m.submit(m.a, 1, scsi.Simple, "write")
	},
	"OrderWait": func(m *matrix) {
		m.submit(m.a, 10, scsi.Simple, "read")
		m.submit(m.a, 1, scsi.Ordered, "read")
	},
	"BlockWait": func(m *matrix) {
		u, err := m.dev.d.Block(context.Background())
		require.NoError(m.t, err)
		m.unblock = u
		m.submit(m.a, 1, scsi.Simple, "read")
	},
	"LaneWait": func(m *matrix) {
		m.submit(m.a, 10, scsi.Simple, "read") // takes the only worker
		m.submit(m.a, 1, scsi.Simple, "read")
	},
	"Exec": func(m *matrix) { m.submit(m.a, 1, scsi.Simple, "read") },
	"Respond": func(m *matrix) {
		m.a.respond = make(chan bool)
		m.submit(m.a, 1, scsi.Simple, "read")
		go func() { _ = m.end(1, nil) }()
	},
	"SendWait": func(m *matrix) {
		m.a.slowReply = true
		m.submit(m.a, 1, scsi.Simple, "read")
		synctest.Wait()
		require.NoError(m.t, m.end(1, nil))
	},
}

// ends are what meets it; manages tells which are task management functions, whose answer
// must wait for the handler unless they only ask.
var ends = map[string]struct {
	do      func(m *matrix)
	manages bool
	silent  bool // nothing is sent to A for command 1
}{
	"AbortTask":    {func(m *matrix) { m.manage(m.a, scsi.AbortTask) }, true, true},
	"AbortTaskSet": {func(m *matrix) { m.manage(m.a, scsi.AbortTaskSet) }, true, true},
	"ClearTaskSet": {func(m *matrix) { m.manage(m.a, scsi.ClearTaskSet) }, true, true},
	"LUNReset":     {func(m *matrix) { m.manage(m.a, scsi.LogicalUnitReset) }, true, true},
	"TargetReset":  {func(m *matrix) { m.manage(m.a, scsi.TargetReset) }, true, true},
	"NexusReset":   {func(m *matrix) { m.manage(m.a, scsi.NexusReset) }, true, true},
	"ColdReset":    {func(m *matrix) { m.manage(m.a, scsi.ColdReset) }, true, true},
	"OtherClear":   {func(m *matrix) { m.manage(m.b, scsi.ClearTaskSet) }, true, true},
	"OtherReset":   {func(m *matrix) { m.manage(m.b, scsi.LogicalUnitReset) }, true, true},
	"OtherNexus":   {func(m *matrix) { m.manage(m.b, scsi.NexusReset); m.asked() }, false, false},
	"ClearACA":     {func(m *matrix) { m.manage(m.a, scsi.ClearACA); m.asked() }, false, false},
	"QueryTask":    {func(m *matrix) { m.manage(m.a, scsi.QueryTask); m.asked() }, false, false},
	"QueryTaskSet": {func(m *matrix) { m.manage(m.a, scsi.QueryTaskSet); m.asked() }, false, false},
	"QueryEvent":   {func(m *matrix) { m.manage(m.a, scsi.QueryAsyncEvent); m.asked() }, false, false},
	"Close":        {func(m *matrix) { m.a.s.Close(errors.New("connection lost")) }, false, true},
	"Unmap": {func(m *matrix) {
		go func() { m.printf("unmapped: %v", m.target.Unmap(context.Background(), 0)) }()
	}, false, false},
	"Replace": {func(m *matrix) {
		other := m.addDevice("other", scsi.Control{}, false, nil)
		go func() {
			m.printf("replaced: %v", m.target.Group("").Replace(context.Background(), 0, other.d, nil))
		}()
	}, false, false},
	"Remove": {func(m *matrix) {
		go func() {
			m.printf("unmapped: %v", m.target.Unmap(context.Background(), 0))
			m.printf("removed: %v", m.dev.d.Remove(context.Background()))
		}()
	}, false, false},
	"DisableTarget": {func(m *matrix) {
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			m.printf("disabled: %v", m.target.Disable(ctx))
		}()
	}, false, true},
}

// reports are what is heard of the ends that wait for commands without a function.
var reports = map[string]string{
	"Close": "A closed", "Unmap": "unmapped: <nil>", "Replace": "replaced: <nil>", "Remove": "removed: <nil>",
}

// results are what the handler does with a command that it executes.
var results = map[string]error{"late success": nil, "late failure": scsi.MediumReadError, "odd failure": errors.New("the store is gone")}

type matrix struct {
	*rig
	t       *testing.T
	a, b    *rigSession
	dev     *rigDevice
	unblock func()
	free    bool // the function waits for no command
}

func (m *matrix) submit(x *rigSession, tag uint64, attr scsi.TaskAttr, op string) {
	cdb, err := cdbOf(op, 0, 1)
	require.NoError(m.t, err)
	x.submit(scsi.Request{Tag: tag, Attr: attr}, cdb)
	synctest.Wait()
}

func (m *matrix) manage(x *rigSession, fn scsi.TaskFunction) {
	x.s.Manage(&fabric.Task{Function: fn, Tag: 1})
}

// asked says that the function that was asked for concerns no command and waits for none.
func (m *matrix) asked() {
	synctest.Wait()
	require.True(m.t, m.has("task-done"), "the function was not answered at once")
	m.free = true
}

func (m *matrix) has(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Contains(strings.Join(m.log, "\n"), text)
}

func TestMatrix(t *testing.T) {
	for state, reach := range victims {
		for name, end := range ends {
			for how, result := range results {
				for _, tst := range []uint8{0, 1} {
					if tst == 1 && name == "OtherClear" {
						continue // CLEAR TASK SET of another nexus is then no concern of A's
					}
					t.Run(fmt.Sprintf("%s/%s/%s/tst=%d", state, name, how, tst), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							m := &matrix{rig: newRig(t), t: t}
							m.dev = m.addDevice("disk", scsi.Control{TST: tst, QueueAlg: 1}, state == "LaneWait", &engine.DeviceOptions{Workers: 1})
							require.NoError(t, m.target.Map(0, m.dev.d, nil))
							m.a, m.b = m.login("A", false), m.login("B", false)
							m.submit(m.a, 900, scsi.Simple, "tur")
							m.submit(m.b, 901, scsi.Simple, "tur")
							reach(m)
							synctest.Wait()
							require.Equal(t, state, stateOf(m.rig, 1), "the command is not in the state to be tested")
							end.do(m)
							synctest.Wait()
							m.settle(state, end.manages, result)
							require.True(t, m.has(reports[name]), "the end is never over")
							m.judge(state, end.silent)
						})
					})
				}
			}
		}
	}
}

// settle lets the handler and the transport end what they hold, and checks that nobody
// claimed before that it was over.
func (m *matrix) settle(state string, manages bool, result error) {
	if state == "Exec" || state == "Respond" {
		require.Equal(m.t, m.free, m.has("task-done"), "the function was answered while the handler has the command")
		require.False(m.t, m.has("A closed"), "the session ended while the handler has the command")
		require.False(m.t, m.has("unmapped: <nil>"), "the unit was unmapped while the handler has the command")
		require.False(m.t, m.has("replaced: <nil>"), "the unit was replaced while the handler has the command")
		require.False(m.t, m.has("removed: <nil>"), "the device was removed while the handler has the command")
	}
	if m.a.respond != nil {
		close(m.a.respond)
		synctest.Wait()
	}
	if m.unblock != nil {
		m.unblock()
		synctest.Wait()
	}
	for range 4 {
		for _, tag := range []uint64{1, 10} {
			if stateOf(m.rig, tag) == "Exec" {
				_ = m.end(tag, result)
				synctest.Wait()
			}
		}
		m.mu.Lock()
		var held []*scsi.Command
		for _, c := range m.live {
			held = append(held, c)
		}
		clear(m.live)
		m.mu.Unlock()
		for _, c := range held {
			if stateOf(m.rig, c.Tag) == "DataWait" {
				c.DataReceived(nil)
			} else {
				c.ResponseSent(nil)
			}
			synctest.Wait()
		}
	}
	if manages {
		require.True(m.t, m.has("task-done"), "the function was never answered")
	}
}

// judge checks the end: exactly one response, of the right kind, and nothing left.
func (m *matrix) judge(state string, silent bool) {
	text := m.take()
	n := strings.Count(text, "respond 1 ")
	require.Equal(m.t, 1, n, "command 1 is responded to once, in\n%s", text)
	if state != "Respond" && state != "SendWait" {
		require.Equal(m.t, silent, strings.Contains(text, "respond 1 silently"), "in\n%s", text)
	}
	if state == "DataWait" && silent {
		require.NotContains(m.t, text, "exec 1", "an aborted write was executed")
	}
	if i := strings.Index(text, "task-done"); i >= 0 && silent {
		require.NotContains(m.t, text[i:], "exec 1\n", "the victim was executed after the answer")
		require.NotContains(m.t, text[i:], "A respond 1 ", "the victim was answered after the function")
	}
	require.NoError(m.t, m.e.Close())
	require.Empty(m.t, m.e.Commands())
	require.Zero(m.t, m.e.Stats().Pool.Outstanding)
}

// stateOf is the state of a live command, "" if it is not live.
func stateOf(r *rig, tag uint64) string {
	for _, c := range r.e.Commands() {
		if c.Tag == tag {
			return c.State.String()
		}
	}
	return ""
}
