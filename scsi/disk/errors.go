package disk

import (
	"context"
	"errors"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/scsi"
)

// failed says what a store was doing.
type failed uint8

const (
	reading failed = iota
	writing        // also flushing: what was written may not last
)

// senseTable maps the errors that stores share with disks. The first that matches counts.
var senseTable = [...]struct {
	is  error
	end error
}{
	{backstore.ErrNoSpace, scsi.SpaceAllocationFailed},
	{backstore.ErrReadOnly, scsi.WriteProtected},
	{backstore.ErrNoMedium, scsi.MediumNotPresent},
	{backstore.ErrNotReady, scsi.NotReadyCause},
	{backstore.ErrClosed, scsi.NotReadyCause},
	{backstore.ErrBusy, scsi.ErrBusy},
	{backstore.ErrFenced, scsi.ErrReservationConflict},
	{backstore.ErrOutOfRange, scsi.LBAOutOfRange},
	{backstore.ErrMisaligned, scsi.InvalidFieldInCDB},
	{context.Canceled, scsi.CommandAborted},
	{context.DeadlineExceeded, scsi.CommandAborted},
	{scsi.ErrTaskAborted, scsi.CommandAborted},
}

// sense maps an error of a store, or nil, to what ends a command that begins at lba.
func (d *Disk) sense(c *scsi.Command, err error, what failed, lba uint64) error {
	if err == nil {
		return nil
	}
	return d.translate(c.Context(), err, scsi.SenseError{Sense: what.code(), Info: lba, Valid: true, Cause: err})
}

// flushed maps an error of a flush that no range of blocks asked for, or nil.
func (d *Disk) flushed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return d.translate(ctx, err, scsi.SenseError{Sense: writing.code(), Cause: err})
}

// translate maps an error of a store. e is for one that has no meaning of its own; a
// store that knows the place says it with an *OffsetError. Every error of a store goes
// through here, and none becomes nil.
func (d *Disk) translate(ctx context.Context, err error, e scsi.SenseError) error {
	if ctx.Err() != nil {
		return scsi.CommandAborted
	}
	for i := range senseTable {
		if errors.Is(err, senseTable[i].is) {
			return senseTable[i].end
		}
	}
	var (
		rich *scsi.SenseError
		code scsi.Sense
	)
	if errors.As(err, &rich) || errors.As(err, &code) {
		return err
	}
	var at *backstore.OffsetError
	if errors.As(err, &at) && at.Offset >= 0 {
		e.Info, e.Valid = uint64(at.Offset)>>d.shift, true
	}
	return &e
}

// code is the sense code of an error without a meaning of its own.
func (f failed) code() scsi.Sense {
	if f == reading {
		return scsi.MediumReadError
	}
	return scsi.MediumWriteError
}

// miscompare is MISCOMPARE DURING VERIFY OPERATION with what SBC-4 puts into INFORMATION.
func miscompare(info uint64) error {
	return &scsi.SenseError{Sense: scsi.MiscompareVerify, Info: info, Valid: true}
}
