package uring

import "unsafe"

// Numbers of the kernel's interface, include/uapi/linux/io_uring.h. It is stable and the same on every
// architecture.
const (
	opReadv       = 1
	opWritev      = 2
	opFsync       = 3
	opReadFixed   = 4 // and opWriteFixed 5
	opFallocate   = 17
	opRead        = 22
	opWrite       = 23
	opReadvFixed  = 60 // Linux 6.15
	opWritevFixed = 61

	sqeFixedFile = 1 << 0
	sqeAsync     = 1 << 4 // hand it to a worker of the kernel at once

	fsyncDatasync = 1 << 0

	setupCQSize = 1 << 3

	featSingleMmap   = 1 << 0
	featNoDrop       = 1 << 1
	featSubmitStable = 1 << 2

	registerBuffers   = 0
	unregisterBuffers = 1
	registerFiles     = 2
	unregisterFiles   = 3
	registerEventfd   = 4
	registerProbe     = 8

	probeOps       = 64
	probeSupported = 1 << 0

	offRings = 0
	offSQEs  = 0x10000000
)

// sqe is a submission queue entry.
type sqe struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	opFlags  uint32
	userData uint64
	unused   [3]uint64 // the first 16 bits are the index of a registered buffer, and we have one
}

// cqe is a completion queue entry.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, unused uint32
	userAddr                                                         uint64
}

type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, unused uint32
	userAddr                                                         uint64
}

type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFd uint32
	unused                                                                 [3]uint32
	sqOff                                                                  sqOffsets
	cqOff                                                                  cqOffsets
}

type probeOp struct {
	op, unused uint8
	flags      uint16
	unused2    uint32
}

type probe struct {
	lastOp, opsLen uint8
	unused         uint16
	unused2        [3]uint32
	ops            [probeOps]probeOp
}

// The kernel knows these sizes. A wrong one does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(sqe{})-64]
	_ = [1]struct{}{}[unsafe.Sizeof(cqe{})-16]
	_ = [1]struct{}{}[unsafe.Sizeof(ringParams{})-120]
	_ = [1]struct{}{}[unsafe.Sizeof(probe{})-16-8*probeOps]
	_ = [1]struct{}{}[unsafe.Offsetof(sqe{}.userData)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(ringParams{}.cqOff)-80]
)
