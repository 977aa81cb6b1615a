package unit

import (
	"errors"

	"github.com/goscst/goscst/scsi"
)

// testUnitReady is TEST UNIT READY (SPC-4 6.47).
func (u *Unit) testUnitReady(*scsi.Command) error { return u.ready() }

// requestSense is REQUEST SENSE (SPC-4 6.39). The engine has answered a unit attention
// condition already; what remains is whether the unit is ready, and how far it is.
func (u *Unit) requestSense(c *scsi.Command) error {
	e := &scsi.SenseError{Sense: scsi.NoSense}
	var code scsi.Sense
	switch err := u.ready(); {
	case err == nil:
	case errors.As(err, &e):
	case errors.As(err, &code):
		e.Sense = code
	default:
		return err
	}
	var room [64]byte
	return c.Reply(scsi.AppendSense(room[:0], e, c.CDB()[1]&0x01 != 0))
}

// sendDiagnostic is SEND DIAGNOSTIC (SPC-4 6.42): the default self-test, in the
// foreground. There are no diagnostic pages and no other self-tests.
func (u *Unit) sendDiagnostic(c *scsi.Command) error {
	cdb := c.CDB()
	if cdb[1]&0xE0 != 0 { // SELF-TEST CODE
		return scsi.BadCDB(1, 7)
	}
	if c.Count() != 0 { // PARAMETER LIST LENGTH
		return scsi.BadCDB(3, -1)
	}
	if cdb[1]&0x04 == 0 { // SELFTEST
		return nil
	}
	if err := u.ready(); err != nil {
		return err
	}
	if u.opts.SelfTest == nil {
		return nil
	}
	err := u.opts.SelfTest(c.Context())
	if err == nil || c.Aborted() {
		return err
	}
	return &scsi.SenseError{Sense: selfTestFailed, Cause: err}
}

// selfTestFailed is HARDWARE ERROR, LOGICAL UNIT FAILED SELF-TEST.
const selfTestFailed scsi.Sense = 0x04_3E_03

func (u *Unit) ready() error {
	if u.opts.Ready == nil {
		return nil
	}
	return u.opts.Ready()
}
