package engine

import "github.com/goscst/goscst/scsi"

// setControl makes the engine obey a changed control mode page. TST stays: the task
// sets exist already.
func (d *Device) setControl(c scsi.Control) {
	c.TST = d.control.Load().TST
	d.control.Store(&c)
	d.gateAll(gateSWP, c.SWP)
}
