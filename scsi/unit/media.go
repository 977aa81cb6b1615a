package unit

import (
	"errors"

	"github.com/goscst/goscst/scsi"
)

// ErrPrevented is the error of an ejection that an initiator prevents.
var ErrPrevented = errors.New("unit: an initiator prevents the removal of the medium")

func (u *Unit) addMedia() {
	if u.opts.Medium != nil {
		u.Handle(scsi.OpStartStopUnit, u.startStop)
	}
	if u.opts.Removable {
		u.HandleTry(scsi.OpPreventAllow, u.preventAllow, u.preventAllow)
	}
}

// Prevented reports whether an initiator prevents the removal of the medium.
func (u *Unit) Prevented() bool {
	u.preventMu.Lock()
	defer u.preventMu.Unlock()
	return len(u.preventing) > 0
}

// RequestRemoval returns nil if the medium may be taken out. If an initiator prevents
// it, all are told that the operator asks for it (OPERATOR MEDIUM REMOVAL REQUEST),
// and the error is ErrPrevented.
func (u *Unit) RequestRemoval() error {
	if !u.Prevented() {
		return nil
	}
	u.Host().Raise(scsi.OperatorRemovalRequest, nil)
	return ErrPrevented
}

// startStop is START STOP UNIT (SBC-4 5.31). It ends when all is done, also with IMMED.
// There is one power condition, active, so that a unit which was stopped goes on
// working: only its cache is flushed. Any POWER CONDITION that an initiator asks for is
// accepted in the same way.
func (u *Unit) startStop(c *scsi.Command) error {
	cdb := c.CDB()
	var (
		flush = cdb[4]&0x04 == 0 // NO_FLUSH
		loej  = cdb[4]&0x02 != 0
		start = cdb[4]&0x01 != 0
		m     = u.opts.Medium
	)
	switch {
	case cdb[4]&0xF0 != 0: // POWER CONDITION
		if u.ready() == nil && flush {
			return m.Flush(c.Context())
		}
		return nil
	case loej && !u.opts.Removable:
		return scsi.BadCDB(4, 1)
	case loej && start:
		if u.Prevented() && u.ready() != nil { // the tray is locked as it is
			return scsi.RemovalPrevented
		}
		loaded, err := m.Load(c.Context())
		if loaded {
			u.Host().Raise(scsi.MediumMayHaveChanged, c.Nexus())
		}
		return err
	case loej:
		if u.Prevented() {
			return scsi.RemovalPrevented
		}
		return m.Eject(c.Context(), flush)
	}
	if err := u.ready(); err != nil {
		return err
	}
	if !start && flush {
		return m.Flush(c.Context())
	}
	return nil
}

// preventAllow is PREVENT ALLOW MEDIUM REMOVAL (SPC-4 6.14). Each nexus prevents for
// itself.
func (u *Unit) preventAllow(c *scsi.Command) error {
	switch c.CDB()[4] & 0x03 {
	case 0:
		u.allow(c.Nexus())
	case 1:
		u.preventMu.Lock()
		u.preventing[c.Nexus()] = struct{}{}
		u.preventMu.Unlock()
	default: // persistent prevention is obsolete
		return scsi.BadCDB(4, 1)
	}
	return nil
}

func (u *Unit) allow(n *scsi.Nexus) {
	u.preventMu.Lock()
	defer u.preventMu.Unlock()
	delete(u.preventing, n)
}
