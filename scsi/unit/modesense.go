package unit

import (
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// modeSense is MODE SENSE(6) and (10) (SPC-4 6.13, 6.14).
func (u *Unit) modeSense(c *scsi.Command) error {
	cdb := c.CDB()
	var (
		ten     = cdb[0] == byte(scsi.OpModeSense10)
		long    = ten && cdb[1]&0x10 != 0 // LLBAA
		dbd     = cdb[1]&0x08 != 0
		pc      = spc.PageCtl(cdb[2] >> 6)
		code    = cdb[2] & 0x3F
		subcode = cdb[3]
	)
	if pc == spc.SavedValues && !u.Host().Persistent() {
		return scsi.SavingNotSupported
	}
	if code == spc.AllPages && subcode != 0 && subcode != spc.AllSubpages {
		return scsi.BadCDB(3, 7)
	}
	params := u.params(c)
	h := spc.ModeHeader{DeviceSpecific: params.DeviceSpecific}
	if params.WriteProtected {
		h.DeviceSpecific |= spc.ParameterWP
	}
	descriptor := params.Descriptor && !dbd
	if descriptor {
		h.LongLBA, h.DescriptorLen = long, descriptorLen(long)
	}
	var room [256]byte
	b := spc.AppendModeHeader(room[:0], h, ten)
	if descriptor {
		b = spc.AppendBlockDescriptor(b, spc.BlockDescriptor{Blocks: params.Blocks, BlockSize: params.BlockSize}, long)
	}
	n := len(b)
	b, known := u.appendPages(b, pc, code, subcode)
	if len(b) == n && code != spc.AllPages {
		if known {
			return scsi.BadCDB(3, 7) // the page is there, the subpage is not
		}
		return scsi.BadCDB(2, 5)
	}
	spc.SetModeLength(b, ten)
	return c.Reply(b)
}

// appendPages appends the pages that a page and subpage code ask for. known reports
// whether there is any page of the code.
func (u *Unit) appendPages(b []byte, pc spc.PageCtl, code, subcode uint8) (_ []byte, known bool) {
	persistent := u.Host().Persistent()
	u.modeMu.Lock()
	defer u.modeMu.Unlock()
	for i := range u.pages {
		p := &u.pages[i]
		if code != spc.AllPages && p.code != code {
			continue
		}
		known = true
		if subcode != spc.AllSubpages && p.subcode != subcode {
			continue
		}
		v := p.current
		switch pc {
		case spc.ChangeableValues:
			v = p.Changeable
		case spc.DefaultValues:
			v = p.Default
		case spc.SavedValues:
			v = p.saved
		}
		at := len(b)
		b = append(b, v...)
		if persistent && p.saveable() {
			b[at] |= 0x80 // PS
		}
	}
	return b, known
}

// params is what Options.Params says, with what the nexus and the control mode page add
// to it.
func (u *Unit) params(c *scsi.Command) Params {
	var p Params
	if u.opts.Params != nil {
		p = u.opts.Params()
	}
	if n := c.Nexus(); n != nil && n.ReadOnly {
		p.WriteProtected = true
	}
	if cp, err := spc.ParseControlPage(u.CurrentPage(spc.PageControl, 0)); err == nil && cp.SWP {
		p.WriteProtected = true
	}
	return p
}

func descriptorLen(long bool) int {
	if long {
		return 16
	}
	return 8
}
