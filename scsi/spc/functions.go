package spc

import "github.com/goscst/goscst/scsi"

// Functions is a set of task management functions.
type Functions uint32

// FunctionSet makes a set.
func FunctionSet(list ...scsi.TaskFunction) Functions {
	var s Functions
	for _, f := range list {
		s |= 1 << (f & 0x1F)
	}
	return s
}

// Has reports whether f is in the set.
func (s Functions) Has(f scsi.TaskFunction) bool { return s>>(f&0x1F)&1 != 0 }

// AppendFunctions appends the answer to REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
// (SPC-4 6.36): the four-byte basic format, or the extended one of 16 bytes that the CDB asks
// for by REPD. Functions that the format has no bit for are left out.
func AppendFunctions(dst []byte, s Functions, extended bool) []byte {
	var b [4]byte
	for _, p := range functionBits {
		if s.Has(p.f) {
			b[p.at] |= 1 << p.bit
		}
	}
	if !extended {
		return append(dst, b[0], b[1], 0, 0)
	}
	// No per-function timeouts: TMFTMOV is zero.
	return zeros(append(dst, b[0], b[1], 0, extendedFunctionsLen-4), extendedFunctionsLen-4)
}

// ParseFunctions decodes either format.
func ParseFunctions(b []byte) (Functions, error) {
	if len(b) < 4 {
		return 0, ErrShort
	}
	var s Functions
	for _, p := range functionBits {
		if has(b[p.at], p.bit) {
			s |= FunctionSet(p.f)
		}
	}
	return s, nil
}

const extendedFunctionsLen = 16

// functionBits is where the parameter data has each function.
var functionBits = [...]struct {
	f   scsi.TaskFunction
	at  int
	bit uint
}{
	{scsi.AbortTask, 0, 7},
	{scsi.AbortTaskSet, 0, 6},
	{scsi.ClearACA, 0, 5},
	{scsi.ClearTaskSet, 0, 4},
	{scsi.LogicalUnitReset, 0, 3},
	{scsi.QueryTask, 0, 2},
	{scsi.TargetReset, 0, 1},
	{scsi.QueryAsyncEvent, 1, 2},
	{scsi.QueryTaskSet, 1, 1},
	{scsi.NexusReset, 1, 0},
}
