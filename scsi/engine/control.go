package engine

import "github.com/goscst/goscst/scsi"

// setControl makes the engine obey a changed control mode page. TST stays: the task
// sets exist already.
func (d *Device) setControl(c scsi.Control) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.TST = d.control.Load().TST
	d.control.Store(&c)
	for n := range d.nexuses.all {
		n.setGate(gateSWP, c.SWP)
	}
}
