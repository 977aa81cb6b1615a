package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

func TestAddErrors(t *testing.T) {
	e := engine.New(nil)
	defer e.Close()
	d, err := e.AddDevice("d", nullHandler{}, nil)
	require.NoError(t, err)
	tgt, err := e.AddTarget("t", &engine.TargetOptions{RelativeID: 3})
	require.NoError(t, err)
	require.NoError(t, tgt.Map(1, d, nil))
	other := engine.New(nil)
	defer other.Close()
	stranger, err := other.AddDevice("d", nullHandler{}, nil)
	require.NoError(t, err, "two engines do not meet")

	add := func(c scsi.Description) func() error {
		return func() error { _, err := e.AddDevice("x", described{c}, nil); return err }
	}
	tests := []struct {
		name string
		do   func() error
		is   error
		says []string
	}{
		{"device without a name", func() error { _, err := e.AddDevice("", nullHandler{}, nil); return err }, nil, []string{"name", `""`}},
		{"device twice", func() error { _, err := e.AddDevice("d", nullHandler{}, nil); return err }, engine.ErrExists, []string{`"d"`}},
		{"bad TST", add(scsi.Description{Control: scsi.Control{TST: 2}}), nil, []string{"TST", "2", "0 or 1"}},
		{"bad QErr", add(scsi.Description{Control: scsi.Control{QErr: 2}}), nil, []string{"QErr", "2", "0, 1 or 3"}},
		{"bad QueueAlg", add(scsi.Description{Control: scsi.Control{QueueAlg: 3}}), nil, []string{"QueueAlg", "3"}},
		{"bad BlockSize", add(scsi.Description{BlockSize: -1}), nil, []string{"BlockSize", "-1"}},
		{"bad MaxTransfer", add(scsi.Description{MaxTransfer: -5}), nil, []string{"MaxTransfer", "-5"}},
		{"bad Type", add(scsi.Description{Type: 0x20}), nil, []string{"Type", "0x20"}},
		{"target without a name", func() error { _, err := e.AddTarget("", nil); return err }, nil, []string{"empty"}},
		{"target twice", func() error { _, err := e.AddTarget("t", nil); return err }, engine.ErrExists, []string{`"t"`}},
		{"port twice", func() error { _, err := e.AddTarget("u", &engine.TargetOptions{RelativeID: 3}); return err }, engine.ErrExists, []string{"RelativeID 3", `"t"`}},
		{"bad method", func() error { _, err := e.AddTarget("u", &engine.TargetOptions{LUNMethod: 9}); return err }, nil, []string{"LUNMethod", "9"}},
		{"LUN twice", func() error { return tgt.Map(1, d, nil) }, engine.ErrExists, []string{"LUN 1"}},
		{"LUN too large", func() error { return tgt.Map(16384, d, nil) }, nil, []string{"16384", "16383"}},
		{"no device", func() error { return tgt.Map(2, nil, nil) }, nil, []string{"LUN 2"}},
		{"another engine's device", func() error { return tgt.Map(2, stranger, nil) }, nil, []string{"not of this engine"}},
		{"unmap nothing", func() error { return tgt.Unmap(t.Context(), 7) }, engine.ErrNotFound, []string{"LUN 7"}},
		{"replace nothing", func() error { return tgt.Group("").Replace(t.Context(), 7, d, nil) }, engine.ErrNotFound, []string{"LUN 7"}},
		{"pattern of the default group", func() error { return tgt.Group("").AddInitiator("*") }, nil, []string{"default group"}},
		{"empty pattern", func() error { return tgt.Group("g").AddInitiator("!") }, nil, []string{"empty"}},
		{"unknown pattern", func() error { return tgt.Group("g").RemoveInitiator("x") }, engine.ErrNotFound, []string{`"x"`}},
		{"remove what is mapped", func() error { return d.Remove(t.Context()) }, engine.ErrInUse, []string{`"d"`, "1 times"}},
		{"not enabled", func() error { _, err := tgt.Login(t.Context(), fabric.Initiator{}, nil); return err }, engine.ErrNotEnabled, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			require.Error(t, err)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			for _, s := range tt.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
	require.Len(t, e.Devices(), 1, "what failed has changed nothing")
	require.Len(t, e.Targets(), 1)
	require.Len(t, tgt.Group("").LUNs(), 1)
}

type described struct{ d scsi.Description }

func (h described) Describe() (scsi.Description, error) { return h.d, nil }
func (h described) Exec(*scsi.Command) error            { return nil }

func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.addDevice("a", scsi.Control{}, false, nil), r.addDevice("b", scsi.Control{}, false, nil)
		require.NoError(t, r.target.Map(0, a.d, nil))
		g := r.target.Group("special")
		require.NoError(t, g.Map(0, a.d, nil))
		require.NoError(t, g.Map(5, b.d, &engine.LUNOptions{ReadOnly: true}))
		require.NoError(t, g.AddInitiator("iqn.rig:special-*"))
		x := r.login("special-1", false)
		y := r.login("plain", false)
		require.Equal(t, "special", x.s.Info().Group)
		require.Equal(t, 2, x.s.Info().LUNs)
		require.Equal(t, "", y.s.Info().Group)
		require.Equal(t, 1, y.s.Info().LUNs)
		r.take()

		// A session moves to the group that it belongs to now, without a logout; what stays
		// the same stays.
		for range 3 {
			y.submit(scsi.Request{Tag: 1}, make([]byte, 6))
		}
		r.take()
		require.NoError(t, g.AddInitiator("iqn.rig:PLAIN"))
		require.Equal(t, "special", y.s.Info().Group)
		y.submit(scsi.Request{Tag: 2}, make([]byte, 6))
		y.submit(scsi.Request{Tag: 3}, make([]byte, 6))
		synctest.Wait()
		require.Equal(t, "plain event lun=0 unit attention: reported luns data has changed (6/3f/0e)\n"+
			"plain respond 2 CHECK CONDITION unit attention: reported luns data has changed (6/3f/0e)\nplain respond 3 GOOD\n", r.take())

		require.NoError(t, g.RemoveInitiator("iqn.rig:PLAIN"))
		require.Equal(t, 1, y.s.Info().LUNs)
		require.True(t, r.target.Admits("iqn.anybody"))
		require.NoError(t, r.target.Unmap(t.Context(), 0))
		require.False(t, r.target.Admits("iqn.anybody"), "nothing to see")
		require.True(t, r.target.Admits("iqn.rig:special-9"))
		require.NoError(t, r.e.Close())
	})
}

func TestMaxSessions(t *testing.T) {
	e := engine.New(nil)
	defer e.Close()
	tgt, err := e.AddTarget("t", &engine.TargetOptions{MaxSessions: 1})
	require.NoError(t, err)
	tgt.Enable()
	s, err := tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, &syncEndpoint{closed: make(chan error, 1)})
	require.NoError(t, err)
	_, err = tgt.Login(t.Context(), fabric.Initiator{Name: "b"}, &syncEndpoint{closed: make(chan error, 1)})
	require.ErrorIs(t, err, engine.ErrTooManySessions)
	s.Close(nil)
	<-s.Done()
	_, err = tgt.Login(t.Context(), fabric.Initiator{Name: "b"}, &syncEndpoint{closed: make(chan error, 1)})
	require.NoError(t, err)
}

// TestShutdown: a stuck command holds Shutdown up until its context ends, is named, and
// a second call ends when it does.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		d := r.addDevice("disk", scsi.Control{}, true, nil)
		require.NoError(t, r.target.Map(0, d.d, nil))
		x := r.login("A", false)
		x.submit(scsi.Request{Tag: 1}, make([]byte, 6))
		cdb, err := cdbOf("read", 0, 1)
		require.NoError(t, err)
		x.submit(scsi.Request{Tag: 2}, cdb)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = r.e.Shutdown(ctx)
		require.Error(t, err)
		require.ErrorContains(t, err, "1 commands are left")
		_, err = r.target.Login(t.Context(), fabric.Initiator{Name: "late"}, nil)
		require.ErrorIs(t, err, engine.ErrEngineClosed)
		_, err = r.e.AddDevice("late", nullHandler{}, nil)
		require.ErrorIs(t, err, engine.ErrEngineClosed)
		require.NoError(t, r.end(2, nil))
		require.NoError(t, r.e.Shutdown(t.Context()))
		require.NoError(t, r.e.Close(), "once more does no harm")
	})
}

func TestRemoveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		d := r.addDevice("disk", scsi.Control{}, false, nil)
		require.NoError(t, r.target.Map(0, d.d, nil))
		x := r.login("A", false)
		x.submit(scsi.Request{Tag: 1}, make([]byte, 6))
		cdb, _ := cdbOf("read", 0, 1)
		x.submit(scsi.Request{Tag: 2}, cdb)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.target.Unmap(ctx, 0), context.DeadlineExceeded)
		require.ErrorIs(t, d.d.Remove(ctx), context.DeadlineExceeded)
		require.NoError(t, r.end(2, nil))
		require.NoError(t, d.d.Remove(t.Context()))
		require.Empty(t, r.e.Devices())
		require.NoError(t, r.e.Close())
	})
}

// TestRemoveTwiceAtOnce: who removes a device that another one is about to close, or ends the
// engine then, waits for that.
func TestRemoveTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		failed := errors.New("failed")
		h := &hooks{close: func() error { <-gate; return failed }}
		b := newBench(t, h, nil, nil)
		require.NoError(t, b.tgt.Unmap(t.Context(), 0))
		first := make(chan error, 1)
		go func() { first <- b.dev.Remove(t.Context()) }()
		synctest.Wait()
		soon, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, b.dev.Remove(soon), context.Canceled)
		_, err := b.e.AddDevice("disk", &hooks{}, nil)
		require.ErrorIs(t, err, engine.ErrExists)
		others := make(chan error, 2)
		go func() { others <- b.dev.Remove(t.Context()) }()
		go func() { others <- b.e.Close() }()
		synctest.Wait()
		require.Empty(t, others)
		close(gate)
		require.ErrorIs(t, <-first, failed)
		require.NoError(t, <-others)
		require.NoError(t, <-others)
		require.NoError(t, b.dev.Remove(t.Context()), "it is gone")
		require.Equal(t, []string{"close"}, sorted(h.take(), "close"))
	})
}

// TestMemoryLimit: a command for which there is no memory is to be sent again: TASK SET
// FULL if another one will free some, BUSY if not.
func TestMemoryLimit(t *testing.T) {
	pool := sgv.NewPool(nil)
	e := engine.New(&engine.Options{Pool: pool, MemoryLimit: pool.Cost(64 << 10)})
	h := &rigDevice{r: &rig{tb: t, pending: map[uint64]scsi.Pending{}, contexts: map[uint64]context.Context{}}}
	d, err := e.AddDevice("disk", h, nil)
	require.NoError(t, err)
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	ep := &syncEndpoint{closed: make(chan error, 1)}
	s, err := tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, ep)
	require.NoError(t, err)
	send := func(tag uint64, blocks uint32) {
		c := s.NewCommand()
		c.Tag = tag
		cdb, _ := cdbOf("read", 0, blocks)
		c.SetCDB(cdb)
		s.Submit(c)
	}
	send(1, 1) // power on
	send(2, 256)
	require.Equal(t, scsi.StatusCheckCondition, ep.last, "128 KiB will never fit")
	got, err := scsi.ParseSense(ep.sense)
	require.NoError(t, err)
	require.Equal(t, scsi.InsufficientResources, got.Sense)
	hog, err := pool.Get(40<<10, e.MemoryLimit())
	require.NoError(t, err)
	send(5, 64)
	require.Equal(t, scsi.StatusBusy, ep.last, "another's memory: there is no command of this nexus to wait for")
	hog.Release()
	send(3, 64)
	send(4, 128)
	require.Equal(t, scsi.StatusTaskSetFull, ep.last, "64 KiB fit when the other command has ended")
	require.NoError(t, h.r.end(3, nil))
	require.Equal(t, scsi.StatusGood, ep.last)
	require.NoError(t, e.Close())
	require.NoError(t, pool.Close())
}

// TestMemoryShare: a session that takes all the memory that it can get, and lets go of none,
// leaves some to the others.
func TestMemoryShare(t *testing.T) {
	pool := sgv.NewPool(nil)
	one := pool.Cost(32 << 10)
	e := engine.New(&engine.Options{Pool: pool, MemoryLimit: 12 * one})
	h := &rigDevice{r: &rig{tb: t, pending: map[uint64]scsi.Pending{}, contexts: map[uint64]context.Context{}}}
	d, err := e.AddDevice("disk", h, nil)
	require.NoError(t, err)
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	tag := uint64(0)
	greedy := func(name string) (running int) {
		ep := &syncEndpoint{closed: make(chan error, 1)}
		s, err := tgt.Login(t.Context(), fabric.Initiator{Name: name}, ep)
		require.NoError(t, err)
		for range 20 {
			ep.last = scsi.StatusGood
			c := s.NewCommand()
			tag++
			c.Tag = tag
			cdb, _ := cdbOf("read", 0, 64)
			c.SetCDB(cdb)
			s.Submit(c)
			if ep.last == scsi.StatusGood {
				running++
			}
		}
		require.Equal(t, scsi.StatusTaskSetFull, ep.last)
		return running
	}
	require.Equal(t, 6, greedy("a"), "half of all")
	require.Equal(t, 3, greedy("b"), "half of the rest")
	require.Equal(t, 1, greedy("c"))
	require.Equal(t, 1, greedy("d"))
	for i := range tag {
		if _, ok := h.r.pending[i+1]; ok {
			require.NoError(t, h.r.end(i+1, nil))
		}
	}
	require.Zero(t, e.MemoryLimit().Used())
	require.NoError(t, e.Close())
	require.NoError(t, pool.Close())
}

// bound is a handler that asks its host at once.
type bound struct {
	nullHandler
	err  error
	host scsi.Host
}

func (b *bound) Bind(h scsi.Host) error { b.host = h; return b.err }

func TestHost(t *testing.T) {
	e := engine.New(&engine.Options{SetupID: 7, Store: engine.Dir(t.TempDir())})
	defer e.Close()
	b := &bound{}
	_, err := e.AddDevice("d", b, nil)
	require.NoError(t, err)
	require.Equal(t, "d", b.host.Name())
	require.NotZero(t, b.host.ID())
	require.True(t, b.host.Persistent())
	require.NoError(t, b.host.Save("k", []byte("v")))
	v, err := b.host.Load("k")
	require.NoError(t, err)
	require.Equal(t, "v", string(v))

	failing := &bound{err: errors.New("no such state")}
	_, err = e.AddDevice("f", failing, nil)
	require.ErrorIs(t, err, failing.err)
	_, ok := e.Device("f")
	require.False(t, ok)

	nowhere := engine.New(&engine.Options{SetupID: 8})
	defer nowhere.Close()
	b2 := &bound{}
	_, err = nowhere.AddDevice("d", b2, nil)
	require.NoError(t, err)
	require.NotEqual(t, b.host.ID(), b2.host.ID(), "the set-up is part of the identifier")
	require.False(t, b2.host.Persistent())
	require.ErrorIs(t, b2.host.Save("k", nil), errors.ErrUnsupported)
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		e := engine.New(&engine.Options{Events: engine.Events{
			SessionOpened:  func(s engine.SessionInfo) { got = append(got, "opened "+s.Initiator) },
			SessionClosed:  func(s engine.SessionInfo, err error) { got = append(got, "closed "+err.Error()) },
			DeviceFaulted:  func(d string, v any, stack []byte) { got = append(got, "faulted "+d) },
			TaskManagement: func(s engine.SessionInfo, fn scsi.TaskFunction, r scsi.TaskResponse) { got = append(got, fn.String()) },
		}})
		r := &rig{tb: t, e: e, devices: map[string]*rigDevice{}}
		d := r.addDevice("disk", scsi.Control{}, false, nil)
		tgt, err := e.AddTarget("t", nil)
		require.NoError(t, err)
		require.NoError(t, tgt.Map(0, d.d, nil))
		tgt.Enable()
		ep := &syncEndpoint{closed: make(chan error, 1)}
		s, err := tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, ep)
		require.NoError(t, err)
		for range 2 {
			c := s.NewCommand()
			c.SetCDB([]byte{byte(scsi.OpSendDiagnostic), 0, 0, 0, 0, 0})
			s.Submit(c)
		}
		require.True(t, d.d.Offline())
		s.Manage(&fabric.Task{Function: scsi.QueryTaskSet})
		s.Close(errors.New("bye"))
		<-s.Done()
		require.NoError(t, e.Close())
		require.Equal(t, []string{"opened a", "faulted disk", "QUERY TASK SET", "closed bye"}, got)
	})
}

// TestNothingToWaitFor: where nothing has to be waited for, a context that is done does not matter,
// in no case by chance.
func TestNothingToWaitFor(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	for range 100 {
		unblock, err := b.dev.Block(done)
		require.NoError(t, err)
		unblock()
	}
	for i := range 100 {
		d, err := b.e.AddDevice(fmt.Sprint("another ", i), &hooks{}, nil)
		require.NoError(t, err)
		require.NoError(t, d.Remove(done))
		require.NoError(t, d.Remove(done), "again")
	}
	b.close()
}
