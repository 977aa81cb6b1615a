package osfile

import (
	"context"
	"errors"
	"syscall"

	"github.com/goscst/goscst/backstore"
)

// MaxSpace is how much is freed or zeroed between two looks at the context, in bytes. The system
// finishes what it has begun.
const MaxSpace = 1 << 30

// TooLate is what is left of the error of a system that cannot free or zero a range, when it has
// done so with another part before: an errors.ErrUnsupported would mean that nothing was done.
const TooLate = syscall.EIO

// inPieces calls do for pieces of extents.
func inPieces(ctx context.Context, extents []backstore.Extent, do func(off, n int64) error) error {
	done := false
	for _, e := range extents {
		for e.Len > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(e.Len, MaxSpace)
			if err := do(e.Off, n); err != nil {
				if done && errors.Is(err, errors.ErrUnsupported) {
					return TooLate
				}
				return MapError(err)
			}
			e.Off, e.Len, done = e.Off+n, e.Len-n, true
		}
	}
	return nil
}
