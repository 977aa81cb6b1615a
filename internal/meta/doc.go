// Package meta is the metamorphic runner: it makes a random list of SCSI commands, and
// runs it against a disk however that is built and reached. Two runs of a list must have
// the same transcript, whatever store, number of workers, buffer pool or transport is
// below, and what is read must be what the list has written.
//
// Only tests import it. A list comes from a seed, so that a failure can be repeated.
//
// Commands come in batches. Those of a batch run at the same time and touch zones of
// their own, so that their order does not show; a batch begins when the one before it
// has ended.
package meta
