// Package local is a transport without a wire: an initiator in the process of the
// target. Programs use it to reach their own logical units, tests and benchmarks to
// drive the engine without a network.
//
// Applications and tests import it; device types and stores do not. It opens no port,
// starts no goroutine, and copies data once, between the caller's slices and the
// command's buffer; with Options.Direct not even that.
//
// An Initiator sends any CDB to any logical unit of its target. Do waits, Start calls
// back, so that a program can keep many commands in progress with one goroutine. What a
// command ends with is an error value:
//
//	nil                     GOOD or CONDITION MET
//	*scsi.SenseError        CHECK CONDITION, with the sense data decoded; errors.Is(err, scsi.LBAOutOfRange) works
//	scsi.StatusError        any other status
//	the error of a context  the command was aborted because of it
//	ErrAborted              a task management function aborted it, and no status was sent
//	ErrClosed               the initiator has been closed
//
// Unit attention conditions reach the caller like every CHECK CONDITION: the first
// command to a logical unit ends with scsi.PowerOnOccurred. WaitReady takes them away.
//
// A Disk makes a logical unit an io.ReaderAt and io.WriterAt, and handles unit
// attentions, limits and unaligned edges itself.
package local
