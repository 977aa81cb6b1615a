package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// nullHandler answers reads with what is in the buffer.
type nullHandler struct{}

func (nullHandler) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: true, Control: scsi.Control{TST: 1, QueueAlg: 1}}, nil
}

func (nullHandler) Exec(c *scsi.Command) error {
	switch c.Op().Op {
	case scsi.OpRead16, scsi.OpWrite16, scsi.OpTestUnitReady:
		return nil
	}
	return scsi.InvalidOpcode
}

// lendingHandler answers reads with its memory, or asks for a buffer late if it has none.
type lendingHandler struct {
	nullHandler
	memory [][]byte
}

func (h *lendingHandler) Describe() (scsi.Description, error) {
	d, err := h.nullHandler.Describe()
	d.LateData = true
	return d, err
}

func (h *lendingHandler) Exec(c *scsi.Command) error {
	if c.Room() == 0 {
		return nil
	}
	if h.memory == nil {
		return c.NeedData()
	}
	return c.Lend(h.memory, nothing)
}

func nothing() {}

// syncEndpoint answers everything at once.
type syncEndpoint struct {
	t      testing.TB
	last   scsi.Status
	sense  []byte
	n      int
	closed chan error
}

func (e *syncEndpoint) RequestData(c *scsi.Command) { c.DataReceived(nil) }
func (e *syncEndpoint) Respond(c *scsi.Command) {
	e.last, e.sense = c.Status(), c.SenseData()
	_, e.n = c.DataIn()
	c.ResponseSent(nil)
}
func (e *syncEndpoint) TaskDone(*fabric.Task) {}
func (e *syncEndpoint) Closed(err error)      { e.closed <- err }

// waker tells when a command has been responded to.
type waker struct{ done chan bool }

func (*waker) RequestData(c *scsi.Command) { c.DataReceived(nil) }
func (w *waker) Respond(c *scsi.Command) {
	c.ResponseSent(nil)
	w.done <- true
}
func (*waker) TaskDone(*fabric.Task) {}
func (*waker) Closed(error)          {}

func nullSession(t testing.TB) (*engine.Engine, *engine.Session, *syncEndpoint) {
	e := engine.New(nil)
	d, err := e.AddDevice("null", nullHandler{}, nil)
	require.NoError(t, err)
	tgt, err := e.AddTarget("iqn.2026-11.example:null", nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	ep := &syncEndpoint{t: t, closed: make(chan error, 1)}
	s, err := tgt.Login(context.Background(), fabric.Initiator{Name: "iqn.test"}, ep)
	require.NoError(t, err)
	return e, s, ep
}

func read16(s *engine.Session, lba uint64, blocks uint32) {
	c := s.NewCommand()
	var cdb [16]byte
	c.SetCDB(scsi.AppendRead16(cdb[:0], lba, blocks))
	s.Submit(c)
}

func TestRead(t *testing.T) {
	e, s, ep := nullSession(t)
	read16(s, 0, 8)
	require.Equal(t, scsi.StatusCheckCondition, ep.last)
	got, err := scsi.ParseSense(ep.sense)
	require.NoError(t, err)
	require.Equal(t, scsi.PowerOnOccurred, got.Sense)
	read16(s, 0, 8)
	require.Equal(t, scsi.StatusGood, ep.last)
	require.Equal(t, 4096, ep.n)
	require.NoError(t, e.Close())
	require.ErrorIs(t, <-ep.closed, engine.ErrEngineClosed)
}
