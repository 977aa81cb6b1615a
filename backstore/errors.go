package backstore

import (
	"errors"
	"strconv"
)

// Errors that the disk handler maps to sense data or a status of their own, found with errors.Is.
// Any other error becomes MEDIUM ERROR, unrecovered read or write error, with the LBA of the
// command, or that of an *OffsetError. errors.ErrUnsupported asks for the emulation and is only
// honoured from a method that has changed nothing.
var (
	ErrNoSpace    = errors.New("backstore: no space left")       // DATA PROTECT, 27h/07h
	ErrReadOnly   = errors.New("backstore: read-only")           // DATA PROTECT, 27h/00h
	ErrNotReady   = errors.New("backstore: not ready")           // NOT READY, 04h/00h
	ErrNoMedium   = errors.New("backstore: no medium")           // NOT READY, 3Ah/00h
	ErrBusy       = errors.New("backstore: busy, try again")     // status BUSY
	ErrFenced     = errors.New("backstore: fenced off")          // status RESERVATION CONFLICT
	ErrOutOfRange = errors.New("backstore: range outside")       // ILLEGAL REQUEST, 21h/00h
	ErrMisaligned = errors.New("backstore: not in whole blocks") // ILLEGAL REQUEST, 24h/00h
	ErrClosed     = errors.New("backstore: closed")              // NOT READY, 04h/00h
	ErrWouldBlock = errors.New("backstore: would block")         // never leaves the handler
)

// MiscompareError says that CompareAndWrite found something else. The disk handler answers
// MISCOMPARE with the offset in the INFORMATION field (SBC-4 5.3).
type MiscompareError struct {
	Offset int64 // of the first byte that differs, from the start of the compared bytes
}

// Error tells the offset.
func (e *MiscompareError) Error() string {
	return "backstore: miscompare at byte " + strconv.FormatInt(e.Offset, 10)
}

// OffsetError is an error with the place where it happened, for stores that know it.
type OffsetError struct {
	Offset int64 // in the store, bytes
	Err    error
}

// Error tells the offset and the cause.
func (e *OffsetError) Error() string {
	return "backstore: at byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OffsetError) Unwrap() error { return e.Err }
