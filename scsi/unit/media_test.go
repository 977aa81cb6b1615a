package unit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/unit"
)

// tray is a medium that writes down what is done to it.
type tray struct {
	out   bool
	calls []string
	err   error
}

func (m *tray) Flush(context.Context) error {
	m.calls = append(m.calls, "flush")
	return m.err
}

func (m *tray) Eject(_ context.Context, flush bool) error {
	m.calls = append(m.calls, map[bool]string{true: "eject", false: "eject without flush"}[flush])
	m.out = m.err == nil
	return m.err
}

func (m *tray) Load(context.Context) (bool, error) {
	m.calls = append(m.calls, "load")
	was := m.out
	m.out = false
	return was, m.err
}

func (m *tray) ready() error {
	if m.out {
		return scsi.MediumTrayOpen
	}
	return nil
}

// startStop is START STOP UNIT with the given byte 4.
func startStop(b byte) []byte { return []byte{0x1B, 0, 0, 0, b, 0} }

func TestStartStop(t *testing.T) {
	m := new(tray)
	u := unit.New(&unit.Options{Removable: true, Medium: m, Ready: m.ready})
	r := newRecorder(t, u, nil)
	for _, tt := range []struct {
		byte4 byte
		calls []string
		out   bool
		want  scsi.Sense
	}{
		{0x01, nil, false, 0},                            // start
		{0x00, []string{"flush"}, false, 0},              // stop
		{0x04, nil, false, 0},                            // stop, NO_FLUSH
		{0x10, []string{"flush"}, false, 0},              // ACTIVE
		{0xF3, []string{"flush"}, false, 0},              // reserved; START and LOEJ are ignored
		{0x34, nil, false, 0},                            // STANDBY, NO_FLUSH
		{0x02, []string{"eject"}, true, 0},               // eject
		{0x30, nil, true, 0},                             // STANDBY without a medium
		{0x00, nil, true, scsi.MediumTrayOpen},           // stop without a medium
		{0x01, nil, true, scsi.MediumTrayOpen},           // start without a medium
		{0x06, []string{"eject without flush"}, true, 0}, // again
		{0x03, []string{"load"}, false, 0},               // load
	} {
		m.calls = nil
		res := r.Do(startStop(tt.byte4), nil)
		require.Equal(t, tt.want, res.Code(), "%02x: %v", tt.byte4, res.Err)
		require.Equal(t, tt.calls, m.calls, "%02x", tt.byte4)
		require.Equal(t, tt.out, m.out, "%02x", tt.byte4)
	}
	require.Equal(t, []scsitest.Raised{{Sense: scsi.MediumMayHaveChanged, Except: r.Nexus}}, r.Host.Raised())
	m.err = errors.New("stuck")
	for _, b := range []byte{0x00, 0x10, 0x02, 0x03} {
		require.ErrorIs(t, r.Do(startStop(b), nil).Err, m.err)
	}
	require.Empty(t, r.Host.Raised())
}

func TestPrevent(t *testing.T) {
	m := new(tray)
	u := unit.New(&unit.Options{Removable: true, Medium: m, Ready: m.ready})
	r := newRecorder(t, u, nil)
	require.NoError(t, u.RequestRemoval())
	requireGood(t, r.Do([]byte{0x1E, 0, 0, 0, 1, 0}, nil))
	require.True(t, u.Prevented())
	require.ErrorIs(t, u.RequestRemoval(), unit.ErrPrevented)
	require.Equal(t, []scsitest.Raised{{Sense: scsi.OperatorRemovalRequest}}, r.Host.Raised())
	requireSense(t, scsi.RemovalPrevented, r.Do(startStop(0x02), nil))
	require.Empty(t, m.calls)
	requireGood(t, r.Do(startStop(0x03), nil)) // it is in
	m.out = true
	requireSense(t, scsi.RemovalPrevented, r.Do(startStop(0x03), nil))
	u.Detach(r.Nexus)
	require.False(t, u.Prevented())
	requireGood(t, r.Do(startStop(0x03), nil))
	requireGood(t, r.Do([]byte{0x1E, 0, 0, 0, 1, 0}, nil))
	r.Reset()
	require.False(t, u.Prevented())
	requireField(t, scsi.InvalidFieldInCDB, 4, 1, r.Do([]byte{0x1E, 0, 0, 0, 3, 0}, nil))
}

// TestModeSelectAbort: a MODE SELECT that waits for another one can be aborted.
func TestModeSelectAbort(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	u := unit.New(nil)
	u.AddModePage(unit.ModePage{
		Default: []byte{2, 1, 0}, Changeable: []byte{2, 1, 1},
		Apply: func(context.Context, []byte) error { close(entered); <-goOn; return nil },
	})
	r := newRecorder(t, u, nil)
	list := []byte{0, 0, 0, 0, 2, 1, 1}
	first := r.Start([]byte{0x15, 0x10, 0, 0, 7, 0}, list)
	<-entered
	second := r.Prepare([]byte{0x15, 0x10, 0, 0, 7, 0}, list)
	second.Abort()
	second.Run()
	requireSense(t, scsi.CommandAborted, second.Result())
	second.Release()
	close(goOn)
	requireGood(t, first.Wait())
}
