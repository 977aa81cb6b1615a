package unit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/unit"
)

// TestTable: commands are what was handled last, and are listed only if they are there.
func TestTable(t *testing.T) {
	u := unit.New(&unit.Options{Type: scsi.TypeDisk})
	answer := func(b ...byte) func(*scsi.Command) error {
		return func(c *scsi.Command) error { return c.Reply(b) }
	}
	u.Handle(scsi.OpReadBuffer, answer(1))
	u.HandleTry(scsi.OpLogSense, func(*scsi.Command) error { return scsi.ErrWouldBlock }, answer(2))
	u.HandleAction(scsi.OpServiceActionIn16, scsi.ActionGetLBAStatus, nil, answer(3))
	u.HandleAction(scsi.OpServiceActionIn16, scsi.ActionReadCapacity16, answer(4), answer(5))
	u.HandleAction(scsi.OpVariableLength, scsi.ActionRead32, nil, func(*scsi.Command) error { return nil })
	u.Handle(scsi.OpModeSense6, nil)
	r := newRecorder(t, u, nil)
	require.Equal(t, []byte{1}, r.Do([]byte{0x3C, 0, 0, 0, 0, 0, 0, 0, 9, 0}, nil).Data)
	require.Equal(t, []byte{2}, r.Do([]byte{0x4D, 0, 0, 0, 0, 0, 0, 0, 9, 0}, nil).Data)
	require.Equal(t, []byte{3}, r.Do([]byte{0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0}, nil).Data)
	require.Equal(t, []byte{4}, r.Do([]byte{0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0}, nil).Data)
	requireField(t, scsi.InvalidFieldInCDB, 1, 4, doRaw(u, 0x9E, 0x11))
	long := make([]byte, 32)
	long[0], long[7], long[9] = 0x7F, 24, byte(scsi.ActionRead32)
	require.NoError(t, u.Exec(command(long)))
	long[9] = byte(scsi.ActionWrite32)
	requireField(t, scsi.InvalidFieldInCDB, 8, -1, result(u.Exec(command(long))))
	require.ErrorIs(t, u.Exec(command([]byte{0x1A, 0, 0, 0, 0, 0})), scsi.InvalidOpcode)
	require.ErrorIs(t, u.Exec(command(nil)), scsi.InvalidOpcode)
	require.ErrorIs(t, u.TryExec(command(nil)), scsi.InvalidOpcode)
	require.Equal(t, scsi.ErrWouldBlock, u.TryExec(command([]byte{0x3C, 0, 0, 0, 0, 0, 0, 0, 0, 0})))
	var names []string
	for _, o := range u.Opcodes() {
		names = append(names, o.Name)
	}
	require.Equal(t, []string{"TEST UNIT READY", "REQUEST SENSE", "INQUIRY", "MODE SELECT(6)", "SEND DIAGNOSTIC",
		"READ BUFFER(10)", "LOG SENSE", "MODE SELECT(10)", "MODE SENSE(10)", "READ(32)", "READ CAPACITY(16)", "GET LBA STATUS(16)"}, names)
}

// TestVendorCommand adds commands that the table of package scsi does not have.
// TestFullTable has a function for each operation code, and takes some out.
func TestFullTable(t *testing.T) {
	u := unit.New(nil)
	count := [256]int{}
	for op := range 256 {
		u.Handle(scsi.Opcode(op), func(*scsi.Command) error { count[op]++; return nil })
	}
	for op := range 256 {
		c := new(scsi.Command)
		c.SetCDB([]byte{15: 0, 0: byte(op)})
		require.NoError(t, u.Exec(c))
		require.Equal(t, 1, count[op])
		u.Handle(scsi.Opcode(op), nil)
		require.Equal(t, scsi.InvalidOpcode, u.Exec(c))
	}
}

func TestVendorCommand(t *testing.T) {
	u := unit.New(&unit.Options{Type: scsi.TypeProcessor, BlockSize: 512})
	in := &scsi.OpInfo{Op: 0xC0, Name: "COUNT", Len: 6, Count: scsi.Field{Off: 4, Size: 1}, Rule: scsi.RuleBytes, Dir: scsi.DirIn, Types: 1 << scsi.TypeProcessor}
	out := &scsi.OpInfo{Op: 0xC1, Name: "SET", Len: 10, LBA: scsi.Field{Off: 2, Size: 4}, Count: scsi.Field{Off: 7, Size: 2}, Rule: scsi.RuleBlocks, Dir: scsi.DirOut, Flags: scsi.FlagWrites, Types: 1 << scsi.TypeProcessor}
	var got []byte
	u.HandleInfo(in, nil, func(c *scsi.Command) error { return c.Reply(binary.BigEndian.AppendUint32(nil, uint32(len(got)))) })
	u.HandleInfo(out, nil, func(c *scsi.Command) error { got = c.Params(nil); return nil })
	r := newRecorder(t, u, nil)
	require.Equal(t, scsi.ParseUnknown, r.Description.Parse)
	requireGood(t, r.Do([]byte{0xC1, 0, 0, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 512)))
	require.Len(t, got, 512)
	require.Equal(t, []byte{0, 0, 2}, r.Do([]byte{0xC0, 0, 0, 0, 3, 0}, nil).Data)
	requireSense(t, scsi.InvalidOpcode, r.Do([]byte{0xC2, 0, 0, 0, 0, 0}, nil))
	requireSense(t, scsi.InvalidFieldInCDB, r.Do([]byte{0xC1, 0, 0, 0}, nil))
	require.Contains(t, u.Opcodes(), in)
	require.Contains(t, u.Opcodes(), out)
}

// TestReady: what Ready says ends TEST UNIT READY and is told by REQUEST SENSE, with
// progress.
func TestReady(t *testing.T) {
	var state error
	u := unit.New(&unit.Options{Ready: func() error { return state }})
	r := newRecorder(t, u, nil)
	for _, tt := range []struct {
		state    error
		want     scsi.Sense
		progress uint16
	}{
		{nil, scsi.NoSense, 0},
		{scsi.MediumNotPresent, scsi.MediumNotPresent, 0},
		{&scsi.SenseError{Sense: scsi.FormatInProgress, Progress: 0x8000, HasProgr: true}, scsi.FormatInProgress, 0x8000},
	} {
		state = tt.state
		require.Equal(t, tt.want, r.Do(make([]byte, 6), nil).Code())
		for desc := range byte(2) {
			e, err := scsi.ParseSense(r.Do([]byte{3, desc, 0, 0, 252, 0}, nil).Data)
			require.NoError(t, err)
			require.Equal(t, tt.want, e.Sense)
			require.Equal(t, tt.progress, e.Progress)
		}
	}
	state = errors.New("no sense in it")
	require.Equal(t, scsi.StatusCheckCondition, r.Do([]byte{3, 0, 0, 0, 252, 0}, nil).Status)
}

func TestSendDiagnostic(t *testing.T) {
	var outcome error
	n := 0
	u := unit.New(&unit.Options{SelfTest: func(context.Context) error { n++; return outcome }})
	r := newRecorder(t, u, nil)
	requireGood(t, r.Do([]byte{0x1D, 0x04, 0, 0, 0, 0}, nil))
	require.Equal(t, 1, n)
	requireGood(t, r.Do([]byte{0x1D, 0, 0, 0, 0, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 1, 7, r.Do([]byte{0x1D, 0x20, 0, 0, 0, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 3, -1, r.Do([]byte{0x1D, 0x10, 0, 0, 4, 0}, make([]byte, 4)))
	require.Equal(t, 1, n)
	outcome = errors.New("broken")
	res := r.Do([]byte{0x1D, 0x04, 0, 0, 0, 0}, nil)
	requireSense(t, scsi.MakeSense(scsi.KeyHardwareError, 0x3E, 0x03), res)
	require.ErrorIs(t, res.Err, outcome)
}
