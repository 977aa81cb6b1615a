//go:build !linux

package mem

import "errors"

// haveArenas is false: pages come from the Go heap.
const haveArenas = false

func mapArena(int, bool) (mapped, usable []byte, err error) { return nil, nil, errors.ErrUnsupported }

func unmapArena([]byte) {}

func discardArena([]byte) bool { return false }
