//go:build !linux

package iscsi

import (
	"errors"
	"net"
	"syscall"
)

// maxVec is how many pieces of memory one vectored call moves.
const maxVec = 1024

// iovec is a piece of memory as the kernel takes it; it has no use on this system.
type iovec struct{}

// rawConn returns nil: on this system connections are used through net.Conn alone.
func rawConn(net.Conn) syscall.RawConn { return nil }

// setCongestion chooses the congestion control of a connection.
func setCongestion(*net.TCPConn, string) error { return errors.ErrUnsupported }

// wouldBlock reports whether err says that a call on the descriptor would have waited.
func wouldBlock(error) bool { return false }

// readOnce, peerGone, readvOnce and writevOnce are for the descriptors that rawConn finds.

func readOnce(uintptr, []byte, bool) (int, error) { return 0, errors.ErrUnsupported }

func peerGone(uintptr) bool { return false }

func readvOnce(uintptr, [][]byte, []iovec) (int, error) { return 0, errors.ErrUnsupported }

func writevOnce(uintptr, [][]byte, []iovec, bool) (int, error) { return 0, errors.ErrUnsupported }
