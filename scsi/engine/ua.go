package engine

import (
	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// raise queues a unit attention on every nexus of the device but except, and sends it
// as an asynchronous event over transports that carry them: an event may be lost, the
// unit attention is not.
func (d *Device) raise(ua scsi.Sense, except *scsi.Nexus) {
	d.each(func(n *nexus) {
		if &n.Nexus == except {
			return
		}
		n.addUA(ua)
		if eventOf(ua) {
			n.s.event(fabric.Event{LUN: scsi.MakeLUN(n.LUN, n.s.t.method), Sense: ua})
		}
	})
}

// eventOf tells which conditions are worth an asynchronous event: those that an
// initiator should act on before its next command.
func eventOf(ua scsi.Sense) bool {
	switch ua {
	case scsi.CapacityChanged, scsi.ReportedLUNsChanged, scsi.InquiryDataChanged, scsi.ALUAStateChanged, scsi.MediumMayHaveChanged:
		return true
	}
	return false
}

func (n *nexus) addUA(ua scsi.Sense) {
	n.uamu.Lock()
	n.ua.Add(ua)
	n.setGate(gateUA, true)
	n.uamu.Unlock()
}

// replaceUA makes ua the only condition.
func (n *nexus) replaceUA(ua scsi.Sense) {
	n.uamu.Lock()
	for n.ua.Next() != 0 {
	}
	n.ua.Add(ua)
	n.setGate(gateUA, true)
	n.uamu.Unlock()
}

// takeUA takes the next condition; 0 if there is none.
func (n *nexus) takeUA() scsi.Sense {
	n.uamu.Lock()
	defer n.uamu.Unlock()
	ua := n.ua.Next()
	if n.ua.Len() == 0 {
		n.setGate(gateUA, false)
	}
	return ua
}

// restoreUA puts a condition back that did not reach the initiator.
func (n *nexus) restoreUA(ua scsi.Sense) {
	if ua == scsi.ReportedLUNsChanged {
		n.s.pendingLUNs.Store(true)
		return
	}
	n.uamu.Lock()
	n.ua.Restore(ua)
	n.setGate(gateUA, true)
	n.uamu.Unlock()
}

// nextUA takes the condition that the next command of the nexus reports. A change of
// the LUN map is told once, by any logical unit of the session (SPC-6 6.33), and after
// what the logical unit itself has to tell of a reset.
func (n *nexus) nextUA() scsi.Sense {
	if ua := n.takeUA(); ua != 0 {
		return ua
	}
	if n.s.pendingLUNs.CompareAndSwap(true, false) {
		return scsi.ReportedLUNsChanged
	}
	return 0
}

// peekUA is the condition that nextUA would take.
func (n *nexus) peekUA() scsi.Sense {
	n.uamu.Lock()
	defer n.uamu.Unlock()
	if ua := n.ua.Peek(); ua != 0 {
		return ua
	}
	if n.s.pendingLUNs.Load() {
		return scsi.ReportedLUNsChanged
	}
	return 0
}

// fixedOnly tells which conditions are reported in fixed format whatever D_SENSE says:
// an initiator that has just (re)started, or whose mode pages have just changed, does
// not know the current setting.
func fixedOnly(ua scsi.Sense) bool {
	return ua.ASC() == 0x29 || ua == scsi.ModeParametersChanged
}
