package scsitest_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/unit"
)

// handler is a block device of which each test replaces what it needs.
type handler struct {
	exec, try func(*scsi.Command) error
	attached  map[*scsi.Nexus]bool
	closed    bool
	late      bool
}

func (h *handler) Describe() (scsi.Description, error) {
	return scsi.Description{BlockSize: 512, MaxTransfer: 4096, LateData: h.late}, nil
}
func (h *handler) Exec(c *scsi.Command) error { return h.exec(c) }
func (h *handler) TryExec(c *scsi.Command) error {
	if h.try == nil {
		return scsi.ErrWouldBlock
	}
	return h.try(c)
}
func (h *handler) Attach(n *scsi.Nexus) error { h.attached[n] = true; return nil }
func (h *handler) Detach(n *scsi.Nexus)       { delete(h.attached, n) }
func (h *handler) Close() error               { h.closed = true; return nil }

func newHandler(t *testing.T, opts *scsitest.Options) (*handler, *scsitest.Recorder) {
	h := &handler{attached: make(map[*scsi.Nexus]bool)}
	r, err := scsitest.New(h, opts)
	require.NoError(t, err)
	return h, r
}

var (
	read2  = []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0}
	write2 = []byte{0x2A, 0, 0, 0, 0, 0, 0, 0, 2, 0}
	tur    = make([]byte, 6)
)

// TestOutcome: what the handler returns is what the initiator sees.
func TestOutcome(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		err    error
		status scsi.Status
		code   scsi.Sense
	}{
		{nil, scsi.StatusGood, 0},
		{scsi.MediumReadError, scsi.StatusCheckCondition, scsi.MediumReadError},
		{&scsi.SenseError{Sense: scsi.MediumWriteError, Cause: cause}, scsi.StatusCheckCondition, scsi.MediumWriteError},
		{scsi.ErrBusy, scsi.StatusBusy, 0},
		{cause, scsi.StatusCheckCondition, scsi.InternalTargetFailure},
	} {
		for _, how := range []string{"return", "done inside", "done later", "try"} {
			h, r := newHandler(t, nil)
			h.exec = func(c *scsi.Command) error {
				if how == "return" {
					return tt.err
				}
				p := c.Defer()
				if how == "done inside" {
					p.Done(tt.err)
				} else {
					go p.Done(tt.err)
				}
				return scsi.InvalidOpcode // ignored
			}
			if how == "try" {
				h.try = func(*scsi.Command) error { return tt.err }
			}
			res := r.Do(tur, nil)
			require.Equal(t, tt.status, res.Status, how)
			require.Equal(t, tt.code, res.Code(), how)
			require.Equal(t, tt.err, res.Err, how)
			require.NoError(t, r.Close())
		}
	}
}

// TestData: buffers are as long as the engine's, and only what was declared is returned.
func TestData(t *testing.T) {
	h, r := newHandler(t, &scsitest.Options{SegmentSize: 512})
	var got []byte
	h.exec = func(c *scsi.Command) error {
		got = c.Params(nil)
		return nil
	}
	poison := make([]byte, 1024)
	for i := range poison {
		poison[i] = scsitest.Poison
	}
	require.Equal(t, poison, r.Do(read2, nil).Data)
	require.Equal(t, scsi.StatusGood, r.Do(write2, make([]byte, 2000)).Status)
	require.Equal(t, make([]byte, 1024), got)
	require.Equal(t, scsi.StatusGood, r.Do(write2, make([]byte, 512)).Status)
	require.Len(t, got, 512)
	require.Equal(t, scsi.InvalidCommandIUField, r.Do(write2, make([]byte, 700)).Code())
	require.Equal(t, scsi.InvalidFieldInCDB, r.Do([]byte{0x28, 0, 0, 0, 0, 0, 0, 0, 9, 0}, nil).Code(), "MaxTransfer")
	require.Equal(t, scsi.InvalidOpcode, r.Do([]byte{0xC0, 0, 0, 0, 0, 0}, nil).Code())
	h.exec = func(c *scsi.Command) error { return c.Reply([]byte("parameters")) }
	require.Equal(t, "param", string(r.Do([]byte{0x12, 0, 0, 0, 5, 0}, nil).Data))
	require.NoError(t, r.Close())
}

// TestLateData: reads come without Data, which is lent or asked for, or it is a failure.
func TestLateData(t *testing.T) {
	h := &handler{attached: make(map[*scsi.Nexus]bool), late: true}
	r, err := scsitest.New(h, nil)
	require.NoError(t, err)
	how := func(c *scsi.Command) error { return nil }
	h.exec = func(c *scsi.Command) error {
		require.Nil(t, c.Data())
		require.Equal(t, 1024, c.Room())
		return how(c)
	}
	res := r.Do(read2, nil)
	require.Equal(t, scsi.InternalTargetFailure, res.Code())
	require.Error(t, res.Err)
	how = func(c *scsi.Command) error { return c.NeedData() }
	require.Len(t, r.Do(read2, nil).Data, 1024)
	how = func(c *scsi.Command) error { return c.Lend([][]byte{make([]byte, 1024)}, func() {}) }
	require.Equal(t, make([]byte, 1024), r.Do(read2, nil).Data)
	how = func(c *scsi.Command) error { c.SetDataIn(0); return nil }
	require.Equal(t, scsitest.Result{}, r.Do(read2, nil))
	h.exec = func(c *scsi.Command) error {
		require.Equal(t, 512, c.Data().Len())
		return nil
	}
	require.Equal(t, scsi.StatusGood, r.Do(write2, make([]byte, 512)).Status)
	require.NoError(t, r.Close())
}

// TestProtected: what an engine refuses does not reach the handler.
func TestProtected(t *testing.T) {
	n := scsitest.NewNexus("i")
	n.ReadOnly = true
	h, r := newHandler(t, &scsitest.Options{Nexus: n})
	h.exec = func(*scsi.Command) error { return nil }
	require.Equal(t, scsi.WriteProtected, r.Do(write2, make([]byte, 1024)).Code())
	n.ReadOnly = false
	r.Host.SetControl(scsi.Control{SWP: true})
	require.Equal(t, scsi.SoftwareWriteProtected, r.Do(write2, make([]byte, 1024)).Code())
	require.Equal(t, scsi.StatusGood, r.Do(read2, nil).Status)
	require.NoError(t, r.Close())
}

// TestAbort ends a command that waits for its context.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := newHandler(t, &scsitest.Options{NoTry: true})
		h.exec = func(c *scsi.Command) error {
			<-c.Context().Done()
			return c.Context().Err()
		}
		task := r.Start(tur, nil)
		synctest.Wait()
		require.False(t, task.Ended())
		task.Abort()
		require.Equal(t, scsi.StatusTaskAborted, task.Wait().Status)
		require.True(t, task.Ended())
		require.NoError(t, r.Close())
	})
}

func TestNexuses(t *testing.T) {
	h, r := newHandler(t, nil)
	other, err := r.On(scsitest.NewNexus("other"))
	require.NoError(t, err)
	require.Len(t, h.attached, 2)
	require.NoError(t, other.Close())
	require.Equal(t, map[*scsi.Nexus]bool{r.Nexus: true}, h.attached)
	require.False(t, h.closed)
	require.NoError(t, r.Close())
	require.Empty(t, h.attached)
	require.True(t, h.closed)
}

// TestLeak: a command that was not released is reported.
func TestLeak(t *testing.T) {
	h, r := newHandler(t, nil)
	h.exec = func(*scsi.Command) error { return nil }
	task := r.Prepare(read2, nil)
	require.Error(t, r.Close())
	task.Release()
	require.NoError(t, r.Close())
}

// TestUnit runs the conformance suite on a handler that is known to pass.
func TestUnit(t *testing.T) {
	scsitest.TestHandler(t, func(*testing.T) scsi.Handler { return unit.New(nil) })
}
