package unit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/unit"
)

// newRecorder adds a unit to a recorder and ends both with the test.
func newRecorder(t testing.TB, u scsi.Handler, opts *scsitest.Options) *scsitest.Recorder {
	t.Helper()
	r, err := scsitest.New(u, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func requireGood(t testing.TB, res scsitest.Result) {
	t.Helper()
	require.Equal(t, scsi.StatusGood, res.Status, "%v", res.Err)
}

func requireSense(t testing.TB, want scsi.Sense, res scsitest.Result) {
	t.Helper()
	require.Equal(t, scsi.StatusCheckCondition, res.Status, "%v", res.Err)
	require.Equal(t, want, res.Code(), "%v", res.Err)
}

// requireField wants a field pointer to a byte and, unless it is negative, a bit.
func requireField(t testing.TB, want scsi.Sense, at, bit int, res scsitest.Result) {
	t.Helper()
	requireSense(t, want, res)
	f := res.Sense.Field
	require.NotNil(t, f)
	require.Equal(t, want == scsi.InvalidFieldInParams, f.Data)
	require.Equal(t, at, int(f.Byte))
	require.Equal(t, bit >= 0, f.BitOK)
	if bit >= 0 {
		require.Equal(t, bit, int(f.Bit))
	}
}

// TestHandler runs the checks that hold for every logical unit.
func TestHandler(t *testing.T) {
	for name, opts := range map[string]*unit.Options{
		"zero":      nil,
		"processor": {Type: scsi.TypeProcessor},
		"changer":   {Type: scsi.TypeChanger, Removable: true, NonBlocking: true},
		"not ready": {Ready: func() error { return scsi.BecomingReady }},
	} {
		t.Run(name, func(t *testing.T) {
			scsitest.TestHandler(t, func(*testing.T) scsi.Handler { return unit.New(opts) })
		})
	}
}

// command is a command without data that was decoded for a disk.
func command(cdb []byte) *scsi.Command {
	c := new(scsi.Command)
	c.SetCDB(cdb)
	_ = c.Decode(scsi.TypeDisk)
	return c
}

// result is what a recorder would make of the error of a handler.
func result(err error) scsitest.Result {
	return scsitest.ResultOf(err)
}

// doRaw executes a CDB that the table of package scsi does not know.
func doRaw(h scsi.Handler, cdb ...byte) scsitest.Result {
	return result(h.Exec(command(append(cdb, make([]byte, 16-len(cdb))...))))
}
