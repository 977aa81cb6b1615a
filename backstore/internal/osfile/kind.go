package osfile

import "io"

// Kind is a direction of a transfer and its flags.
type Kind uint8

// The kinds of transfers.
const (
	Read Kind = iota
	Write
	WriteSync // durable when it returns
)

// stuck is the error of a call that moved nothing.
func (k Kind) stuck() error {
	if k == Read {
		return io.ErrUnexpectedEOF // the file is shorter than the disk
	}
	return io.ErrShortWrite
}
