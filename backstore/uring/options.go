package uring

import (
	"errors"
	"fmt"

	"github.com/goscst/goscst/backstore"
)

// ErrInUse says that somebody else has locked the file, or uses the device exclusively.
var ErrInUse = errors.New("uring: in use by another store or process")

var (
	errArenaInUse  = errors.New("in use")
	errArenaClosed = errors.New("uring: the arena is closed")
)

// UnavailableError says why the system gives no ring. errors.Is finds errors.ErrUnsupported in it, so that
// a program can use another store instead.
type UnavailableError struct {
	Reason string // what is missing or forbidden
	Err    error  // of the system; nil: it gave none
}

// Error tells the reason.
func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return "uring: " + e.Reason
	}
	return "uring: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the error of the system.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Is makes every UnavailableError an errors.ErrUnsupported.
func (e *UnavailableError) Is(target error) bool { return target == errors.ErrUnsupported }

// Limits of Options.Depth.
const (
	defaultDepth = 128
	maxDepth     = 4096
)

// Options say how a file or device is opened. The zero value opens it for reading and writing
// through the page cache, alone.
type Options struct {
	// Depth is how many operations the kernel has at once; more wait in the order of their arrival.
	// 0: 128. At most 4096.
	Depth int

	BlockSize     int  // bytes; 0: 512, or the logical block of a device
	PhysBlockSize int  // bytes; 0: 4096, or what a device says
	ReadOnly      bool // open for reading; several stores may share the file; a write-protected device is read-only anyway
	Direct        bool // O_DIRECT; refused where the file system cannot, or BlockSize is too small
	WriteThrough  bool // O_DSYNC: no write cache

	// Shared leaves out the advisory lock (flock) on a file, and exclusive use of a device, which is then
	// neither unmapped nor zeroed by commands of its own: the kernel keeps them for who is alone.
	Shared bool

	// Arena, if not nil, is registered with the ring: transfers to and from its memory need less processor
	// time, with O_DIRECT. The store does not own it. Where the kernel refuses, for lack of memory that may be
	// locked, the error of Open is an *UnavailableError.
	Arena *Arena

	// Without hides abilities, for comparing a native one with its emulation.
	Without backstore.Cap
}

// depth checks Depth and fills in its default.
func (o *Options) depth() (int, error) {
	switch {
	case o.Depth == 0:
		return defaultDepth, nil
	case o.Depth < 0 || o.Depth > maxDepth:
		return 0, fmt.Errorf("uring: depth %d is not from 1 to %d", o.Depth, maxDepth)
	}
	return o.Depth, nil
}
