package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/internal/script"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestScripts plays the scenarios in testdata: what the engine asks of handlers and
// transports, in order. Each block's output is what happens until nothing moves.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				p := &player{rig: r, unblock: make(map[string]func())}
				script.Run(t, f, func(c *script.Cmd) string {
					p.play(c)
					synctest.Wait()
					return r.take()
				})
				p.finish()
				require.NoError(t, r.e.Close())
				require.Zero(t, r.e.Stats().Pool.Outstanding)
			})
		})
	}
}

type player struct {
	*rig
	unblock map[string]func()
}

var attrs = map[string]scsi.TaskAttr{"simple": scsi.Simple, "ordered": scsi.Ordered, "head": scsi.HeadOfQueue, "aca": scsi.ACA}

var functionNames = map[string]scsi.TaskFunction{
	"abort-task": scsi.AbortTask, "abort-task-set": scsi.AbortTaskSet, "clear-task-set": scsi.ClearTaskSet, "clear-aca": scsi.ClearACA,
	"lun-reset": scsi.LogicalUnitReset, "target-reset": scsi.TargetReset, "cold-reset": scsi.ColdReset, "query-task": scsi.QueryTask,
	"query-task-set": scsi.QueryTaskSet, "query-event": scsi.QueryAsyncEvent, "nexus-reset": scsi.NexusReset,
}

var senseNames = map[string]scsi.Sense{
	"capacity": scsi.CapacityChanged, "mode": scsi.ModeParametersChanged, "inquiry": scsi.InquiryDataChanged,
	"medium": scsi.MediumMayHaveChanged, "read-error": scsi.MediumReadError, "reset": scsi.DeviceReset,
}

func (p *player) play(c *script.Cmd) {
	check := func(err error) {
		if err != nil {
			p.printf("error: %v", err)
		}
	}
	switch c.Name {
	case "device":
		p.addDevice(c.Str("name", "disk"), scsi.Control{
			TST: uint8(c.Int("tst", 0)), QueueAlg: uint8(c.Int("alg", 1)), QErr: uint8(c.Int("qerr", 0)),
			TAS: c.Flag("tas"), SWP: c.Flag("swp"), DSense: c.Flag("dsense"), TMFOnly: c.Flag("tmfonly"),
		}, c.Flag("blocking"), &engine.DeviceOptions{Workers: c.Int("workers", 1), QueueDepth: c.Int("depth", 0)})
	case "map":
		check(p.target.Group(c.Str("group", "")).Map(uint16(c.Int("lun", 0)), p.device(c).d, &engine.LUNOptions{ReadOnly: c.Flag("ro")}))
	case "initiator":
		check(p.target.Group(c.Str("group", "")).AddInitiator(c.Str("pattern", "")))
	case "unmap":
		g, lun := p.target.Group(c.Str("group", "")), uint16(c.Int("lun", 0))
		go func() {
			err := g.Unmap(context.Background(), lun)
			p.returned("unmapped %d: %v", lun, err)
		}()
	case "replace":
		g, lun, d := p.target.Group(c.Str("group", "")), uint16(c.Int("lun", 0)), p.device(c).d
		go func() {
			err := g.Replace(context.Background(), lun, d, nil)
			p.returned("replaced %d: %v", lun, err)
		}()
	case "remove":
		d := p.device(c)
		go func() { p.returned("removed %s: %v", d.name, d.d.Remove(context.Background())) }()
	case "login":
		x := p.login(c.Str("as", "A"), c.Flag("lost"))
		x.slowData, x.slowReply = c.Flag("slow-data"), c.Flag("slow-reply")
	case "clear": // takes the unit attentions of a new session away
		x := p.session(c)
		for range 4 {
			x.submit(scsi.Request{Tag: 999, LUN: scsi.MakeLUN(uint16(c.Int("lun", 0)), scsi.LUNPeripheral)}, make([]byte, 6))
		}
		p.take()
	case "submit":
		cdb, err := cdbOf(c.Str("op", "read"), uint64(c.Int("lba", 0)), uint32(c.Int("count", 1)))
		check(err)
		if c.Flag("naca") {
			cdb[len(cdb)-1] |= 4
		}
		req := scsi.Request{Tag: uint64(c.Int("tag", 0)), LUN: scsi.MakeLUN(uint16(c.Int("lun", 0)), scsi.LUNPeripheral), Attr: attrs[c.Str("attr", "simple")]}
		if c.Has("in") || c.Has("out") {
			req.ExpectedSet, req.ExpectedIn, req.ExpectedOut = true, uint32(c.Int("in", 0)), uint32(c.Int("out", 0))
		}
		p.session(c).submit(req, cdb)
	case "data":
		p.mu.Lock()
		cmd := p.live[uint64(c.Int("tag", 0))]
		delete(p.live, uint64(c.Int("tag", 0)))
		p.mu.Unlock()
		if cmd == nil {
			c.Fatalf("no data was requested")
		}
		var err error
		if c.Flag("fails") {
			err = scsi.DataPhaseError
		}
		cmd.DataReceived(err)
	case "sent":
		p.mu.Lock()
		cmd := p.live[uint64(c.Int("tag", 0))]
		delete(p.live, uint64(c.Int("tag", 0)))
		p.mu.Unlock()
		var err error
		if c.Flag("fails") {
			err = errors.New("connection lost")
		}
		cmd.ResponseSent(err)
	case "done":
		var err error
		switch s := c.Str("err", ""); s {
		case "":
		case "busy":
			err = scsi.ErrBusy
		case "other":
			err = errors.New("some failure")
		default:
			err = senseNames[s]
		}
		check(p.end(uint64(c.Int("tag", 0)), err))
	case "manage":
		fn, ok := functionNames[c.Str("fn", "")]
		if !ok {
			c.Fatalf("unknown function")
		}
		p.session(c).s.Manage(&fabric.Task{Function: fn, Tag: uint64(c.Int("tag", 0)), LUN: scsi.MakeLUN(uint16(c.Int("lun", 0)), scsi.LUNPeripheral)})
	case "slow-reset": // from now on Reset waits for end-reset
		d := p.device(c)
		d.mu.Lock()
		d.slowReset = make(chan bool)
		d.mu.Unlock()
	case "end-reset":
		d := p.device(c)
		d.mu.Lock()
		close(d.slowReset)
		d.slowReset = nil
		d.mu.Unlock()
	case "raise":
		p.device(c).host.Raise(senseNames[c.Str("ua", "")], nil)
	case "control":
		p.device(c).host.SetControl(scsi.Control{QueueAlg: 1, SWP: c.Flag("swp"), TAS: c.Flag("tas"), DSense: c.Flag("dsense")})
	case "block":
		d := p.device(c)
		go func() {
			u, err := d.d.Block(context.Background())
			p.returned("blocked %s: %v", d.name, err)
			p.mu.Lock()
			p.unblock[d.name] = u
			p.mu.Unlock()
		}()
	case "unblock":
		p.mu.Lock()
		u := p.unblock[p.device(c).name]
		p.mu.Unlock()
		u()
	case "close":
		p.session(c).s.Close(nil)
	case "context":
		p.printf("%v", p.contexts[uint64(c.Int("tag", 0))].Err())
	case "dump":
		p.dump()
	default:
		c.Fatalf("unknown command")
	}
}

func (p *player) device(c *script.Cmd) *rigDevice {
	d := p.devices[c.Str("device", "disk")]
	if d == nil {
		c.Fatalf("unknown device")
	}
	return d
}

func (p *player) session(c *script.Cmd) *rigSession {
	x := p.sessions[c.Str("as", "A")]
	if x == nil {
		c.Fatalf("unknown session")
	}
	return x
}

// finish lets everything end that a script has left hanging.
func (p *player) finish() {
	for _, u := range p.unblock {
		u()
	}
	for {
		p.mu.Lock()
		var tags []uint64
		for tag := range p.pending {
			tags = append(tags, tag)
		}
		var cmds []*scsi.Command
		for _, c := range p.live {
			cmds = append(cmds, c)
		}
		clear(p.live)
		p.mu.Unlock()
		for _, tag := range tags {
			_ = p.end(tag, nil)
		}
		for _, c := range cmds {
			if c.Status() == scsi.StatusGood && !c.Silent() && c.Data() != nil && c.Op().Dir == scsi.DirOut && c.Context().Err() == nil {
				p.tb.Fatalf("command %d: the script ends while it waits for data", c.Tag)
			}
			c.ResponseSent(nil)
		}
		if len(tags)+len(cmds) == 0 {
			return
		}
		synctest.Wait()
	}
}
