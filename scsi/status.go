package scsi

import "fmt"

// Status is a SCSI status code (SAM-5 5.3).
type Status uint8

// The status codes.
const (
	StatusGood                Status = 0x00
	StatusCheckCondition      Status = 0x02
	StatusConditionMet        Status = 0x04
	StatusBusy                Status = 0x08
	StatusReservationConflict Status = 0x18
	StatusTaskSetFull         Status = 0x28
	StatusACAActive           Status = 0x30
	StatusTaskAborted         Status = 0x40
)

// String is the name that SAM-5 gives the status.
func (s Status) String() string {
	switch s {
	case StatusGood:
		return "GOOD"
	case StatusCheckCondition:
		return "CHECK CONDITION"
	case StatusConditionMet:
		return "CONDITION MET"
	case StatusBusy:
		return "BUSY"
	case StatusReservationConflict:
		return "RESERVATION CONFLICT"
	case StatusTaskSetFull:
		return "TASK SET FULL"
	case StatusACAActive:
		return "ACA ACTIVE"
	case StatusTaskAborted:
		return "TASK ABORTED"
	}
	return fmt.Sprintf("status %02xh", uint8(s))
}

// StatusError is an error that ends a command with a status other than GOOD and
// CHECK CONDITION.
type StatusError Status

// The statuses that handlers return.
const (
	ErrBusy                = StatusError(StatusBusy)
	ErrTaskSetFull         = StatusError(StatusTaskSetFull)
	ErrReservationConflict = StatusError(StatusReservationConflict)
	ErrConditionMet        = StatusError(StatusConditionMet)
	ErrACAActive           = StatusError(StatusACAActive)
	ErrTaskAborted         = StatusError(StatusTaskAborted)
)

// Error is "scsi: " and the name of the status.
func (e StatusError) Error() string { return "scsi: status " + Status(e).String() }

// Status is the status itself.
func (e StatusError) Status() Status { return Status(e) }
