package disk_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
)

// refuse is a hook that answers one kind of call with errors.ErrUnsupported.
func refuse(name string) func(string) error {
	return func(call string) error {
		if call == name {
			return errors.ErrUnsupported
		}
		return nil
	}
}

// everyCommand is each command that reaches the store, all of which succeed on a store
// of zeroes.
func everyCommand() map[string]struct{ cdb, out []byte } {
	zero := make([]byte, 1024)
	list := sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 0, Blocks: 8}, {LBA: 16, Blocks: 8}})
	type c = struct{ cdb, out []byte }
	return map[string]struct{ cdb, out []byte }{
		"READ":                  c{cdb(scsi.OpRead10, 2, 2), nil},
		"READ FUA":              c{cdb(scsi.OpRead10, 2, 2, 8), nil},
		"WRITE":                 c{cdb(scsi.OpWrite10, 2, 2), zero},
		"WRITE FUA":             c{cdb(scsi.OpWrite10, 2, 2, 8), zero},
		"VERIFY":                c{cdb(scsi.OpVerify10, 2, 2), nil},
		"VERIFY bytes":          c{cdb(scsi.OpVerify10, 2, 2, 2), zero},
		"VERIFY one":            c{cdb(scsi.OpVerify10, 2, 2, 6), zero[:512]},
		"WRITE AND VERIFY":      c{cdb(scsi.OpWriteVerify10, 2, 2), zero},
		"WRITE AND VERIFY data": c{cdb(scsi.OpWriteVerify10, 2, 2, 2), zero},
		"SYNCHRONIZE CACHE":     c{cdb(scsi.OpSynchronizeCache10, 2, 2), nil},
		"SYNCHRONIZE CACHE all": c{cdb(scsi.OpSynchronizeCache16, 0, 0, 2), nil},
		"WRITE SAME":            c{cdb(scsi.OpWriteSame10, 2, 2), pattern(1, 512)},
		"WRITE SAME zero":       c{cdb(scsi.OpWriteSame10, 2, 2), zero[:512]},
		"WRITE SAME unmap":      c{cdb(scsi.OpWriteSame16, 2, 2, ndob|doUnmap), nil},
		"UNMAP":                 c{cdb(scsi.OpUnmap, 0, uint32(len(list))), list},
		"COMPARE AND WRITE":     c{cdb(scsi.OpCompareAndWrite, 2, 1), zero},
		"COMPARE AND WRITE FUA": c{cdb(scsi.OpCompareAndWrite, 2, 1, 8), zero},
		"GET LBA STATUS":        c{actionCDB(scsi.ActionGetLBAStatus, 0, 64), nil},
		"STOP":                  c{[]byte{0x1B, 0, 0, 0, 0, 0}, nil},
		"STANDBY":               c{[]byte{0x1B, 0, 0, 0, 0x30, 0}, nil},
		"EJECT":                 c{[]byte{0x1B, 0, 0, 0, 2, 0}, nil},
		"SEND DIAGNOSTIC":       c{[]byte{0x1D, 4, 0, 0, 0, 0}, nil},
		"MODE SELECT WCE=0":     c{[]byte{0x15, 0x10, 0, 0, 24, 0}, append(make([]byte, 4), sbc.AppendCachingPage(nil, &sbc.CachingPage{})...)},
	}
}

// TestEveryCallFails lets each call to the store fail once, in each command, on stores of
// all abilities, and with the cache on and off: no command that met an error is GOOD.
func TestEveryCallFails(t *testing.T) {
	broken := errors.New("broken")
	for _, hide := range []backstore.Cap{
		0, backstore.CapNowait, backstore.CapNowait | backstore.CapFUA,
		backstore.CapZero | backstore.CapCompareAndWrite | backstore.CapVerify,
		backstore.CapZero | backstore.CapWriteSame | backstore.CapNowait | backstore.CapVerify | backstore.CapCompareAndWrite,
	} {
		for _, through := range []bool{false, true} {
			for _, submit := range []bool{false, true} {
				for name, cmd := range everyCommand() {
					t.Run(fmt.Sprintf("%s/%v/%v/%v", name, hide, through, submit), func(t *testing.T) {
						for fail := 1; ; fail++ {
							store := newSubmitter(newMem(t, &mem.Options{Volatile: true}))
							store.Hide = hide
							if !submit {
								store.Hide |= backstore.CapSubmit
							}
							r := newRecorder(t, store.or(submit), &disk.Options{Removable: true, WriteThrough: through})
							n := 0
							var failed string
							store.set(func(call string) error {
								if n++; n != fail {
									return nil
								}
								failed = call
								return broken
							})
							res := r.Do(cmd.cdb, cmd.out)
							store.set(nil)
							if failed == "" {
								requireGood(t, res)
								return
							}
							require.NotEqual(t, scsi.StatusGood, res.Status, "although %s has failed", failed)
							require.Empty(t, res.Data)
							require.ErrorIs(t, res.Err, broken)
							requireGood(t, r.Do([]byte{0, 0, 0, 0, 0, 0}, nil)) // it is not stuck, and not ejected
						}
					})
				}
			}
		}
	}
}

// or is s, or s without Submit.
func (s *submitter) or(submit bool) backstore.Backstore {
	if submit {
		return s
	}
	return s.hooked
}

// TestErrors is the table of sense codes for the errors of a store.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		read   scsi.Sense
		write  scsi.Sense
		status scsi.Status
		info   uint64 // with MEDIUM ERROR
	}{
		{errors.New("i/o"), scsi.MediumReadError, scsi.MediumWriteError, 0, 7},
		{&backstore.OffsetError{Offset: 9 * 512, Err: errors.New("i/o")}, scsi.MediumReadError, scsi.MediumWriteError, 0, 9},
		{errors.ErrUnsupported, scsi.MediumReadError, scsi.MediumWriteError, 0, 7},
		{backstore.ErrNoSpace, scsi.SpaceAllocationFailed, scsi.SpaceAllocationFailed, 0, 0},
		{fmt.Errorf("wrapped: %w", backstore.ErrNoSpace), scsi.SpaceAllocationFailed, scsi.SpaceAllocationFailed, 0, 0},
		{backstore.ErrReadOnly, scsi.WriteProtected, scsi.WriteProtected, 0, 0},
		{backstore.ErrNotReady, scsi.NotReadyCause, scsi.NotReadyCause, 0, 0},
		{backstore.ErrNoMedium, scsi.MediumNotPresent, scsi.MediumNotPresent, 0, 0},
		{backstore.ErrClosed, scsi.NotReadyCause, scsi.NotReadyCause, 0, 0},
		{backstore.ErrOutOfRange, scsi.LBAOutOfRange, scsi.LBAOutOfRange, 0, 0},
		{backstore.ErrMisaligned, scsi.InvalidFieldInCDB, scsi.InvalidFieldInCDB, 0, 0},
		{backstore.ErrBusy, 0, 0, scsi.StatusBusy, 0},
		{backstore.ErrFenced, 0, 0, scsi.StatusReservationConflict, 0},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			for _, hide := range []backstore.Cap{0, backstore.CapNowait} {
				store := newHooked(newMem(t, nil), hide)
				r := newRecorder(t, store, nil)
				store.set(func(string) error { return tt.err })
				read, write := r.Do(cdb(scsi.OpRead10, 7, 1), nil), r.Do(cdb(scsi.OpWrite10, 7, 1), make([]byte, 512))
				store.set(nil)
				if tt.status != 0 {
					require.Equal(t, tt.status, read.Status)
					require.Equal(t, tt.status, write.Status)
					continue
				}
				requireSense(t, tt.read, read)
				requireSense(t, tt.write, write)
				medium := tt.read == scsi.MediumReadError
				require.Equal(t, medium, read.Sense.Valid)
				require.Equal(t, medium, write.Sense.Valid)
				require.Equal(t, tt.info, read.Sense.Info)
				require.Equal(t, tt.info, write.Sense.Info)
			}
		})
	}
}

// TestUnsupported: an ability that turns out not to work is emulated, in the middle of a
// command too.
func TestUnsupported(t *testing.T) {
	for _, call := range []string{"WritevFUA", "Unmap", "WriteZeroes", "WriteSame", "Verify", "CompareAndWrite", "AppendExtents"} {
		for name, cmd := range everyCommand() {
			t.Run(call+"/"+name, func(t *testing.T) {
				store := newHooked(newMem(t, &mem.Options{Volatile: true}), 0)
				r := newRecorder(t, store, &disk.Options{Removable: true})
				store.set(refuse(call))
				requireGood(t, r.Do(cmd.cdb, cmd.out))
			})
		}
	}
}
