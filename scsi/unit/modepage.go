package unit

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// ModePage is a mode page of a unit. Pages are handled as they stand in a parameter
// list, with their header; the PS bit is set where it belongs.
type ModePage struct {
	Default    []byte // the page as it is without saved values, PS zero
	Changeable []byte // as long as Default, ones for what MODE SELECT may change; nil: nothing

	// Check refuses a page that MODE SELECT asks for, with scsi.BadParam counting from the
	// start of the page. It is called before anything changes, for changes within
	// Changeable only. nil: all values are good.
	Check func(page []byte) error

	// Apply makes a page take effect. It may block. An error means that nothing has
	// changed, and fails the command. It is also called with the previous page, to take a
	// change back, and by Bind and Reset with the saved one. nil: nothing to do.
	Apply func(ctx context.Context, page []byte) error
}

// page is a ModePage with its values. current and saved are replaced, never edited.
type page struct {
	ModePage
	code, subcode uint8
	current       []byte // guarded by Unit.modeMu
	saved         []byte // guarded by Unit.modeMu
}

// AddModePage adds a mode page, or replaces one. A malformed page is an error of
// Describe.
func (u *Unit) AddModePage(m ModePage) {
	p, n, err := spc.ParseModePage(m.Default)
	if err != nil || n != len(m.Default) || p.PS || len(p.Params) == 0 || p.Page == spc.AllPages {
		u.fail(fmt.Errorf("malformed mode page % x", m.Default))
		return
	}
	if m.Changeable == nil {
		m.Changeable = make([]byte, len(m.Default))
		copy(m.Changeable, m.Default[:headerLen(m.Default)])
	}
	if len(m.Changeable) != len(m.Default) || !bytes.Equal(m.Changeable[:headerLen(m.Default)], m.Default[:headerLen(m.Default)]) {
		u.fail(fmt.Errorf("mode page %02xh: Changeable does not fit", p.Page))
		return
	}
	e := page{ModePage: m, code: p.Page, subcode: p.Subpage, current: m.Default, saved: m.Default}
	i, found := slices.BinarySearchFunc(u.pages, e, comparePages)
	if found {
		u.pages[i] = e
		return
	}
	u.pages = slices.Insert(u.pages, i, e)
}

// comparePages is the order of MODE SENSE: by page code, and page 0 last (SPC-4 6.13).
func comparePages(a, b page) int {
	order := func(p page) int { return int(p.code-1)<<8 | int(p.subcode) }
	return order(a) - order(b)
}

// addControlPages adds the pages that every unit has. The engine obeys the control mode
// page; there are no informational exceptions to report.
func (u *Unit) addControlPages() {
	control := spc.ControlPageOf(u.opts.Control)
	u.AddModePage(ModePage{
		Default: spc.AppendControlPage(nil, &control),
		Changeable: spc.AppendControlPage(nil, &spc.ControlPage{
			TMFOnly: true, DSense: true, QueueAlg: 0xF, QErr: 3, SWP: true, TAS: true,
		}),
		Check: func(b []byte) error {
			switch {
			case b[3]>>4 > 1: // QUEUE ALGORITHM MODIFIER
				return scsi.BadParam(3, 7)
			case b[3]>>1&3 == 2: // QERR
				return scsi.BadParam(3, 2)
			}
			return nil
		},
		Apply: func(_ context.Context, b []byte) error {
			p, err := spc.ParseControlPage(b)
			if err == nil {
				u.Host().SetControl(p.Control())
			}
			return err
		},
	})
	u.AddModePage(ModePage{Default: spc.AppendExceptionsPage(nil, &spc.ExceptionsPage{DExcpt: true})})
}

// saveable reports whether the page has anything to save.
func (p *page) saveable() bool {
	for _, b := range p.Changeable[headerLen(p.Default):] {
		if b != 0 {
			return true
		}
	}
	return false
}

// headerLen is the length of the header of a page.
func headerLen(b []byte) int {
	if b[0]&0x40 != 0 {
		return 4
	}
	return 2
}

// CurrentPage returns the current values of a mode page, or nil if there is no such page.
// The bytes must not be changed.
func (u *Unit) CurrentPage(code, subcode uint8) []byte {
	u.modeMu.Lock()
	defer u.modeMu.Unlock()
	for i := range u.pages {
		if p := &u.pages[i]; p.code == code && p.subcode == subcode {
			return p.current
		}
	}
	return nil
}
