package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// lone is a task as it is in the middle of its life, of a device that nobody else uses.
func lone(t *testing.T, c scsi.Control) *task {
	e := New(nil)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	tgt, err := e.AddTarget("t", nil)
	require.NoError(t, err)
	s := newSession(tgt, initiatorNamed("a"), nil)
	d := &Device{e: e}
	d.control.Store(c)
	d.shared = newTaskSet()
	x := newTask(s)
	x.n = &nexus{s: s, d: d, set: d.shared}
	return x
}

// TestControlIsAWord: all of a control comes out of it again.
func TestControlIsAWord(t *testing.T) {
	var c control
	require.Zero(t, c.Load())
	for _, x := range []scsi.Control{
		{TST: 1}, {TST: 7}, {QueueAlg: 1}, {QueueAlg: 0xff}, {QErr: 3}, {TMFOnly: true}, {TAS: true}, {SWP: true}, {DSense: true},
		{TST: 0xff, QueueAlg: 0xff, QErr: 0xff, TMFOnly: true, TAS: true, SWP: true, DSense: true}, {},
	} {
		c.Store(x)
		require.Equal(t, x, c.Load())
	}
}

// TestStatus maps errors of handlers: none becomes GOOD.
func TestStatus(t *testing.T) {
	cause := errors.New("the cable is out")
	rich := &scsi.SenseError{Sense: scsi.MediumReadError, Info: 77, Valid: true, Cause: cause}
	tests := []struct {
		err    error
		status scsi.Status
		sense  scsi.Sense
	}{
		{nil, scsi.StatusGood, 0},
		{scsi.MediumWriteError, scsi.StatusCheckCondition, scsi.MediumWriteError},
		{rich, scsi.StatusCheckCondition, scsi.MediumReadError},
		{fmt.Errorf("reading: %w", rich), scsi.StatusCheckCondition, scsi.MediumReadError},
		{fmt.Errorf("reading: %w", scsi.MiscompareVerify), scsi.StatusCheckCondition, scsi.MiscompareVerify},
		{scsi.ErrBusy, scsi.StatusBusy, 0},
		{scsi.ErrConditionMet, scsi.StatusConditionMet, 0},
		{scsi.ErrReservationConflict, scsi.StatusReservationConflict, 0},
		{fmt.Errorf("later: %w", scsi.ErrTaskSetFull), scsi.StatusTaskSetFull, 0},
		{cause, scsi.StatusCheckCondition, scsi.InternalTargetFailure},
		{errors.Join(cause, scsi.ErrWouldBlock), scsi.StatusCheckCondition, scsi.InternalTargetFailure},
		{scsi.ErrWouldBlock, scsi.StatusCheckCondition, scsi.InternalTargetFailure},
		{errAborted, scsi.StatusCheckCondition, scsi.CommandAborted},
		{fmt.Errorf("reading: %w", context.Canceled), scsi.StatusCheckCondition, scsi.CommandAborted},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.err), func(t *testing.T) {
			x := lone(t, scsi.Control{})
			x.SetCDB([]byte{0, 0, 0, 0, 0, 0})
			require.NoError(t, x.Decode(scsi.TypeDisk))
			x.conclude(tt.err)
			require.Equal(t, tt.status, x.Status())
			if tt.sense == 0 {
				require.Nil(t, x.SenseData())
				return
			}
			got, err := scsi.ParseSense(x.SenseData())
			require.NoError(t, err)
			require.Equal(t, tt.sense, got.Sense)
			require.Equal(t, tt.sense == scsi.MediumReadError, got.Valid)
		})
	}
}

// TestResiduals is every direction of a command against every expectation of an initiator:
// exact, shorter, longer, nothing, and the other direction.
func TestResiduals(t *testing.T) {
	const unset = -1
	read := []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0}  // two blocks
	write := []byte{0x2A, 0, 0, 0, 0, 0, 0, 0, 2, 0} // two blocks
	params := []byte{0x12, 0, 0, 0, 200, 0}          // INQUIRY: at most 200 bytes
	list := []byte{0x15, 0x10, 0, 0, 24, 0}          // MODE SELECT(6): 24 bytes
	none := []byte{0, 0, 0, 0, 0, 0}                 // TEST UNIT READY
	vendor := []byte{0xC0}
	type want struct {
		in              int
		resid, residOut int64
	}
	tests := []struct {
		name          string
		cdb           []byte
		in, out       int64 // of the command, as parse finds them
		expIn, expOut int64 // unset: the transport does not know
		buf, bufOut   int   // bytes of Data and of DataOut
		reply         int   // SetDataIn; unset: the handler did not say
		err           error
		want          want
	}{
		{"read, unknown expectation", read, 1024, 0, unset, 0, 1024, 0, unset, nil, want{in: 1024}},
		{"read, exact", read, 1024, 0, 1024, 0, 1024, 0, unset, nil, want{in: 1024}},
		{"read, shorter", read, 1024, 0, 512, 0, 512, 0, unset, nil, want{in: 512, resid: -512}},
		{"read, shorter than a block", read, 1024, 0, 200, 0, 512, 0, unset, nil, want{in: 200, resid: -824}},
		{"read, longer", read, 1024, 0, 4096, 0, 1024, 0, unset, nil, want{in: 1024, resid: 3072}},
		{"read, nothing expected", read, 1024, 0, 0, 0, 0, 0, unset, nil, want{resid: -1024}},
		{"read, flagged as a write", read, 1024, 0, 0, 1024, 0, 0, unset, nil, want{resid: 1024}},
		{"read, flagged as both", read, 1024, 0, 1024, 300, 1024, 0, unset, nil, want{in: 1024, residOut: 300}},
		{"read, part of it", read, 1024, 0, 1024, 0, 1024, 0, 512, nil, want{in: 512, resid: 512}},
		{"read, none of it", read, 1024, 0, 1024, 0, 1024, 0, 0, nil, want{resid: 1024}},
		{"read, more than there is", read, 1024, 0, 1024, 0, 1024, 0, 1 << 30, nil, want{in: 1024}},
		{"read, failed", read, 1024, 0, 1024, 0, 1024, 0, unset, scsi.MediumReadError, want{resid: 1024}},
		{"read, condition met", read, 1024, 0, 1024, 0, 1024, 0, unset, scsi.ErrConditionMet, want{in: 1024}},
		{"read, the largest expectation", read, 1024, 0, 0xFFFFFFFF, 0, 1024, 0, unset, nil, want{in: 1024, resid: 0xFFFFFFFF - 1024}},

		{"write, unknown expectation", write, 0, 1024, unset, 0, 1024, 0, unset, nil, want{}},
		{"write, exact", write, 0, 1024, 0, 1024, 1024, 0, unset, nil, want{}},
		{"write, shorter", write, 0, 1024, 0, 512, 512, 0, unset, nil, want{resid: -512}},
		{"write, longer", write, 0, 1024, 0, 4096, 1024, 0, unset, nil, want{resid: 3072}},
		{"write, nothing expected", write, 0, 1024, 0, 0, 0, 0, unset, nil, want{resid: -1024}},
		{"write, flagged as a read", write, 0, 1024, 1024, 0, 0, 0, unset, nil, want{resid: 1024}},
		{"write, flagged as both", write, 0, 1024, 512, 1024, 1024, 0, unset, nil, want{resid: 512}},
		{"write, failed", write, 0, 1024, 0, 1024, 1024, 0, unset, scsi.MediumWriteError, want{}},
		{"write, answered with data", write, 0, 1024, 0, 1024, 1024, 0, 1024, nil, want{}},

		{"parameters, exact", params, 200, 0, 200, 0, 200, 0, 200, nil, want{in: 200}},
		{"parameters, fewer than allowed", params, 200, 0, 200, 0, 200, 0, 36, nil, want{in: 36, resid: 164}},
		{"parameters, shorter", params, 200, 0, 10, 0, 200, 0, 36, nil, want{in: 10, resid: -26}},
		{"parameters, longer", params, 200, 0, 255, 0, 200, 0, 36, nil, want{in: 36, resid: 219}},
		{"parameters, nothing expected", params, 200, 0, 0, 0, 200, 0, 36, nil, want{resid: -36}},
		{"parameters, flagged as a write", params, 200, 0, 0, 200, 200, 0, 36, nil, want{resid: 200}},
		{"parameters, none written", params, 200, 0, 200, 0, 200, 0, unset, nil, want{resid: 200}},
		{"parameters, failed", params, 200, 0, 200, 0, 200, 0, 36, scsi.InvalidFieldInCDB, want{resid: 200}},

		{"parameter list, exact", list, 0, 24, 0, 24, 24, 0, unset, nil, want{}},
		{"parameter list, shorter", list, 0, 24, 0, 8, 8, 0, unset, nil, want{resid: -16}},
		{"parameter list, longer", list, 0, 24, 0, 255, 24, 0, unset, nil, want{resid: 231}},

		{"no data, exact", none, 0, 0, 0, 0, 0, 0, unset, nil, want{}},
		{"no data, flagged as a read", none, 0, 0, 512, 0, 0, 0, unset, nil, want{resid: 512}},
		{"no data, flagged as a write", none, 0, 0, 0, 512, 0, 0, unset, nil, want{resid: 512}},
		{"no data, flagged as both", none, 0, 0, 512, 100, 0, 0, unset, nil, want{resid: 512, residOut: 100}},
		{"no data, answered with some", none, 0, 0, 512, 0, 0, 0, 100, nil, want{resid: 512}},

		{"both ways, exact", vendor, 100, 300, 100, 300, 100, 300, 100, nil, want{in: 100}},
		{"both ways, shorter", vendor, 100, 300, 60, 200, 100, 200, 100, nil, want{in: 60, resid: -40, residOut: -100}},
		{"both ways, longer", vendor, 100, 300, 160, 500, 100, 300, 100, nil, want{in: 100, resid: 60, residOut: 200}},
		{"both ways, flagged as a read", vendor, 100, 300, 100, 0, 100, 0, 100, nil, want{in: 100}},
		{"both ways, flagged as a write", vendor, 100, 300, 0, 300, 0, 300, 100, nil, want{}},
		{"both ways, failed", vendor, 100, 300, 100, 300, 100, 300, 100, scsi.InvalidFieldInCDB, want{resid: 100}},
	}
	pool := sgv.NewPool(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := lone(t, scsi.Control{})
			x.SetCDB(tt.cdb)
			require.NoError(t, x.Decode(scsi.TypeDisk))
			x.in, x.out = tt.in, tt.out
			if tt.expIn != unset {
				x.ExpectedSet, x.ExpectedIn, x.ExpectedOut = true, uint32(tt.expIn), uint32(tt.expOut)
			}
			var err error
			if tt.buf > 0 {
				x.st.Data, err = pool.Get(tt.buf, nil)
				require.NoError(t, err)
			}
			if tt.bufOut > 0 {
				x.st.DataOut, err = pool.Get(tt.bufOut, nil)
				require.NoError(t, err)
			}
			if tt.reply != unset {
				x.SetDataIn(tt.reply)
			}
			x.conclude(tt.err)
			b, n := x.DataIn()
			require.Equal(t, tt.want, want{n, x.Residual(), x.ResidualOut()})
			if n > 0 {
				require.LessOrEqual(t, n, b.Len(), "what is sent must be in the buffer")
			}
			if x.ExpectedSet {
				require.LessOrEqual(t, int64(n), tt.expIn, "no more is sent than expected")
			}
			x.release()
		})
	}
	require.NoError(t, pool.Close())
}

// TestSenseFormat: D_SENSE chooses, but for what an initiator hears before it can know.
func TestSenseFormat(t *testing.T) {
	for _, tt := range []struct {
		dsense     bool
		sense      scsi.Sense
		descriptor bool
	}{
		{false, scsi.MediumReadError, false},
		{true, scsi.MediumReadError, true},
		{true, scsi.CapacityChanged, true},
		{true, scsi.PowerOnOccurred, false},
		{true, scsi.NexusLoss, false},
		{true, scsi.ModeParametersChanged, false},
	} {
		x := lone(t, scsi.Control{DSense: tt.dsense})
		x.SetCDB([]byte{0, 0, 0, 0, 0, 0})
		require.NoError(t, x.Decode(scsi.TypeDisk))
		x.conclude(tt.sense)
		require.Equal(t, tt.descriptor, x.SenseData()[0] == 0x72, "%v", tt.sense)
	}
}

// TestOverrule: who hears what of an aborted task, and that a unit attention that was to
// be told with it is not lost.
func TestOverrule(t *testing.T) {
	for _, tt := range []struct {
		flags  uint32
		silent bool
		status scsi.Status
	}{
		{0, false, scsi.StatusCheckCondition},
		{flagAborted, true, scsi.StatusCheckCondition},
		{flagAborted | flagOther, true, scsi.StatusCheckCondition},
		{flagAborted | flagTAS, true, scsi.StatusCheckCondition},
		{flagAborted | flagOther | flagTAS, false, scsi.StatusTaskAborted},
	} {
		for _, ua := range []scsi.Sense{scsi.CapacityChanged, scsi.ReportedLUNsChanged} {
			x := lone(t, scsi.Control{})
			x.SetCDB([]byte{0, 0, 0, 0, 0, 0})
			require.NoError(t, x.Decode(scsi.TypeDisk))
			x.ua = ua
			x.conclude(ua)
			x.overrule(tt.flags)
			require.Equal(t, tt.silent, x.Silent())
			require.Equal(t, tt.status, x.Status())
			got, n := x.n.peekUA()
			if tt.flags == 0 {
				require.Zero(t, n)
				require.NotNil(t, x.SenseData())
				continue
			}
			require.Equal(t, ua, got, "it is told by the next command")
			require.Equal(t, 1, n)
			require.Nil(t, x.SenseData())
		}
	}
}
