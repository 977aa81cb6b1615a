package engine

import (
	"slices"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/internal/uaq"
	"github.com/goscst/goscst/scsi"
)

// raise queues a unit attention on every nexus of the device but except, and sends it
// as an asynchronous event over transports that carry them: an event may be lost, the
// unit attention is not.
func (d *Device) raise(ua scsi.Sense, except *scsi.Nexus) {
	if ua.Key() != scsi.KeyUnitAttention {
		return
	}
	d.each(func(n *nexus) {
		if &n.Nexus != except {
			n.addUA(ua)
			n.event(ua)
		}
	})
}

// event tells the initiator of a condition at once if its transport can and the condition
// is worth it.
func (n *nexus) event(ua scsi.Sense) {
	if eventOf(ua) {
		n.s.event(fabric.Event{LUN: scsi.MakeLUN(n.LUN, n.s.t.method), Sense: ua})
	}
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

// A nexus whose logical unit number is another unit's has an heir. That one tells that
// inquiry data has changed, which makes what the old unit had to tell of itself worthless: its
// parameters, its reservations, and its resets from then on. But the initiator must not miss
// that commands of its are gone (SAM-5 5.14), and it reaches the heir only: what is queued of
// that when the table changes goes to the heir, with resets, which tell it too, and so does what
// comes later. Who queues such a condition looks for the heir under uamu, and bequeath takes
// that lock after the table has changed: so each condition is seen by one of them.

// heir is the nexus that commands reach in place of n, which has been in the session's
// table; nil if there is none.
func (n *nexus) heir() *nexus {
	if now := n.s.lun(n.LUN); now != n {
		return now
	}
	return nil
}

// bequeath hands over to n's heir, which is in the table by now.
func (n *nexus) bequeath(heir *nexus) {
	n.uamu.Lock()
	losses := n.ua.TakeLosses()
	if n.ua.Len() == 0 {
		n.setGate(gateUA, false)
	}
	n.uamu.Unlock()
	for _, ua := range slices.Backward(losses) {
		heir.restoreUA(ua)
	}
}

func (n *nexus) addUA(ua scsi.Sense) {
	n.uamu.Lock()
	if uaq.Cleared(ua) {
		if heir := n.heir(); heir != nil {
			n.uamu.Unlock()
			heir.addUA(ua)
			return
		}
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
	n.uamu.Lock()
	if uaq.Loss(ua) {
		if heir := n.heir(); heir != nil {
			n.uamu.Unlock()
			heir.restoreUA(ua)
			return
		}
	}
	n.ua.Restore(ua)
	n.setGate(gateUA, true)
	n.uamu.Unlock()
}

// nextUA takes the condition that the next command of the nexus reports. A change of
// the LUN map is told once, by any logical unit of the session (SPC-4 6.33), and after
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

// peekUA is the condition that nextUA would take, and how many there are.
func (n *nexus) peekUA() (ua scsi.Sense, count int) {
	n.uamu.Lock()
	ua, count = n.ua.Peek(), n.ua.Len()
	n.uamu.Unlock()
	if n.s.pendingLUNs.Load() {
		if count++; count == 1 {
			ua = scsi.ReportedLUNsChanged
		}
	}
	return ua, count
}

// untell takes back the condition that the command was to tell.
func (t *task) untell() {
	if t.ua == scsi.ReportedLUNsChanged {
		t.s.pendingLUNs.Store(true)
	} else {
		t.n.restoreUA(t.ua)
	}
	t.ua = 0
}

// fixedOnly tells which conditions are reported in fixed format whatever D_SENSE says:
// an initiator that has just (re)started, or whose mode pages have just changed, does
// not know the current setting.
func fixedOnly(ua scsi.Sense) bool {
	return ua.ASC() == 0x29 || ua == scsi.ModeParametersChanged
}
