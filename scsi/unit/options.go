package unit

import (
	"context"

	"github.com/goscst/goscst/scsi"
)

// Options describe a logical unit. The zero value is ready for use: a direct access
// device without blocks, mode page descriptors or medium.
type Options struct {
	Type      scsi.DeviceType
	Removable bool // the medium can be taken out: RMB

	Vendor   string // T10 vendor identification, 8 ASCII bytes; "": GOSCST
	Product  string // product identification, 16 ASCII bytes; "": VIRTUAL and the type
	Revision string // product revision level, 4 ASCII bytes; "": 0001

	Serial string // unit serial number, ASCII; "": 16 digits made of Host.ID
	NAA    []byte // 8 or 16 bytes with the NAA nibble; nil: locally assigned, made of Host.ID, unless EUI64 is set
	EUI64  []byte // 8, 12 or 16 bytes; nil: none
	Name   string // SCSI name string of the logical unit, such as "naa.…"; "": none

	Versions      []uint16 // version descriptors of the command set, such as spc.ClaimSBC3
	VolatileCache bool     // V_SUP: there is a cache that a power failure empties

	Control     scsi.Control // control mode page at the start
	BlockSize   int          // bytes of a logical block; 0: no blocks
	MaxTransfer int64        // bytes of one command's data; 0: the engine's default
	NonBlocking bool         // no command blocks: they run on the goroutine that submits
	LateData    bool         // see scsi.Description

	// Ready returns nil, or the sense that TEST UNIT READY ends with and REQUEST SENSE
	// reports. It does not block. nil: always ready.
	Ready func() error

	// Params returns what MODE SENSE puts before the pages. It does not block. nil: the
	// zero Params.
	Params func() Params

	// SelfTest is the default self-test of SEND DIAGNOSTIC; an error fails it. nil: Ready.
	SelfTest func(ctx context.Context) error

	// Medium is what START STOP UNIT acts on; nil: the command is not offered.
	Medium Medium
}

// Params are the variable parts of the mode parameter header and block descriptor.
type Params struct {
	WriteProtected bool   // WP
	DeviceSpecific uint8  // further bits of the DEVICE-SPECIFIC PARAMETER, such as spc.ParameterDPOFUA
	Descriptor     bool   // there is a block descriptor
	Blocks         uint64 // NUMBER OF LOGICAL BLOCKS
	BlockSize      uint32 // bytes
}

// Medium is the medium of a unit as START STOP UNIT moves it (SBC-4 5.31). Methods may
// block, and may be called concurrently.
type Medium interface {
	// Flush makes durable what the cache holds.
	Flush(ctx context.Context) error
	// Eject takes the medium out, after a flush unless flush is false, and after all
	// commands that use it. Without a medium it does nothing. It is called for removable
	// units only.
	Eject(ctx context.Context, flush bool) error
	// Load makes the medium accessible again after an Eject, and reports whether it was not
	// before; without a medium it fails with a sense code. It is called for removable units
	// only.
	Load(ctx context.Context) (loaded bool, err error)
}
