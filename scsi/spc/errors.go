package spc

import "errors"

// Errors of parsers. They are for initiators and tools; functions that read what an
// initiator sent return sense codes instead, and say so.
var (
	ErrShort  = errors.New("spc: parameter data too short")         // cut inside of a field or descriptor
	ErrLength = errors.New("spc: length field out of range")        // a length that contradicts the data or the standard
	ErrFormat = errors.New("spc: parameter data of another format") // another page, or a reserved value
)
