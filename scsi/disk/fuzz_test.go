package disk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

// FuzzCommands runs a list of commands, each a byte for the length of the CDB, the CDB,
// two bytes for the length of the data-out and the data-out, on a disk and on a
// write-protected one. Whatever comes, no command panics, all end with a status that
// SAM knows, the protected disk stays as it is, and the other can still be read.
func FuzzCommands(f *testing.F) {
	for _, cmd := range everyCommand() {
		f.Add(appendCommand(nil, cmd.cdb, cmd.out))
	}
	for _, c := range [][]byte{eject, load, prevent, tur, {3, 1, 0, 0, 252, 0}, {0x12, 1, 0x83, 0, 255, 0}, {0x5A, 0x10, 0x3F, 0xFF, 0, 0, 0, 1, 0, 0}} {
		f.Add(appendCommand(appendCommand(nil, c, nil), cdb(scsi.OpRead10, 0, 8), nil))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, protected := range []bool{false, true} {
			store, err := mem.NewWith(256<<10, &mem.Options{Volatile: true, SmallPages: true})
			require.NoError(t, err)
			fill(t, store, pattern(1, 256<<10), 0)
			r := newRecorder(t, store, &disk.Options{Removable: true, ReadOnly: protected})
			for rest := input; len(rest) > 0; {
				var c, out []byte
				c, out, rest = nextCommand(rest)
				checkResult(t, r.Do(c, out))
			}
			r.Do(load, nil)
			requireGood(t, r.Do(tur, nil))
			requireGood(t, r.Do(cdb(scsi.OpVerify10, 0, 0x200), nil))
			if protected {
				require.True(t, bytes.Equal(pattern(1, 256<<10), contents(t, store)))
			}
		}
	})
}

func checkResult(t *testing.T, res scsitest.Result) {
	t.Helper()
	switch res.Status {
	case scsi.StatusGood:
		require.Nil(t, res.Sense)
	case scsi.StatusCheckCondition:
		require.NotZero(t, res.Sense.Key())
		require.NotEqual(t, scsi.InternalTargetFailure, res.Code(), "%v", res.Err)
		require.Empty(t, res.Data)
	default:
		require.Fail(t, "unexpected status", "%v", res.Status)
	}
}

func appendCommand(dst, cdb, out []byte) []byte {
	dst = append(append(dst, byte(len(cdb))), cdb...)
	return append(append(dst, byte(len(out)>>8), byte(len(out))), out...)
}

func nextCommand(b []byte) (cdb, out, rest []byte) {
	n := min(int(b[0]), len(b)-1)
	cdb, b = b[1:1+n], b[1+n:]
	if len(b) < 2 {
		return cdb, nil, nil
	}
	n = min(int(b[0])<<8|int(b[1]), len(b)-2)
	return cdb, b[2 : 2+n], b[2+n:]
}
