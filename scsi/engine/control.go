package engine

import (
	"sync/atomic"

	"github.com/goscst/goscst/scsi"
)

// control is a scsi.Control in one word, which can be changed while commands read it. The zero
// value is that of scsi.Control.
type control struct{ word atomic.Uint64 }

// The bits of a control above the three bytes TST, QueueAlg and QErr.
const (
	controlTMFOnly = 1 << (24 + iota)
	controlTAS
	controlSWP
	controlDSense
)

func (c *control) Load() scsi.Control {
	w := c.word.Load()
	return scsi.Control{
		TST: uint8(w), QueueAlg: uint8(w >> 8), QErr: uint8(w >> 16),
		TMFOnly: w&controlTMFOnly != 0, TAS: w&controlTAS != 0, SWP: w&controlSWP != 0, DSense: w&controlDSense != 0,
	}
}

func (c *control) Store(x scsi.Control) {
	w := uint64(x.TST) | uint64(x.QueueAlg)<<8 | uint64(x.QErr)<<16
	for _, f := range [...]struct {
		on  bool
		bit uint64
	}{{x.TMFOnly, controlTMFOnly}, {x.TAS, controlTAS}, {x.SWP, controlSWP}, {x.DSense, controlDSense}} {
		if f.on {
			w |= f.bit
		}
	}
	c.word.Store(w)
}

// setControl makes the engine obey a changed control mode page. TST stays: the task
// sets exist already.
func (d *Device) setControl(c scsi.Control) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.TST = d.control.Load().TST
	d.control.Store(c)
	for n := range d.nexuses.all {
		n.setGate(gateSWP, c.SWP)
	}
}
