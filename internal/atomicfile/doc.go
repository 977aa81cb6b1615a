// Package atomicfile replaces small state files so that a crash leaves the old or the new contents,
// never a mixture and never nothing.
//
// It is used where the engine keeps what must survive a power failure: persistent reservations
// with APTPL and saved mode pages. It imports the standard library only.
package atomicfile
