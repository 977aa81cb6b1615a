package unit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// Identification of a unit whose Options say nothing.
const (
	defaultVendor   = "GOSCST"
	defaultRevision = "0001"
)

// identity is what INQUIRY says of the unit on every path.
type identity struct {
	vendor, product, revision string
	serial                    string
	designators               []byte // of the logical unit, encoded
}

// vpdPage is a page of vital product data; body appends what follows its header.
type vpdPage struct {
	code uint8
	body func(dst []byte, c *scsi.Command) []byte
}

// AddVPD adds a page of vital product data, or replaces one. body appends what follows the
// four bytes of the page header; it does not block, and may run concurrently.
func (u *Unit) AddVPD(code uint8, body func(dst []byte, c *scsi.Command) []byte) {
	i, found := slices.BinarySearchFunc(u.vpd, code, func(p vpdPage, code uint8) int { return int(p.code) - int(code) })
	if found {
		u.vpd[i].body = body
		return
	}
	u.vpd = slices.Insert(u.vpd, i, vpdPage{code, body})
}

// Identifier is the unit's first designator as text, such as "naa.3…".
func (u *Unit) Identifier() string {
	list, err := spc.ParseDesignators(u.ident.designators)
	if err != nil || len(list) == 0 {
		return ""
	}
	return list[0].String()
}

// Serial is the unit serial number.
func (u *Unit) Serial() string { return u.ident.serial }

func (u *Unit) addInquiry() {
	u.HandleTry(scsi.OpInquiry, u.inquiry, u.inquiry)
	u.AddVPD(spc.VPDSupported, func(dst []byte, _ *scsi.Command) []byte {
		codes := make([]uint8, 0, len(u.vpd))
		for _, p := range u.vpd {
			codes = append(codes, p.code)
		}
		return spc.AppendSupportedPages(dst, codes)
	})
	u.AddVPD(spc.VPDSerial, func(dst []byte, _ *scsi.Command) []byte { return append(dst, u.ident.serial...) })
	u.AddVPD(spc.VPDIdentification, u.appendDesignators)
	u.AddVPD(spc.VPDExtendedInquiry, func(dst []byte, _ *scsi.Command) []byte {
		return spc.AppendExtendedInquiry(dst, &spc.ExtendedInquiry{
			HeadSup: true, OrdSup: true, SimpSup: true,
			VSup:   u.opts.VolatileCache,
			LUICLR: true,
		})
	})
}

// inquiry is INQUIRY (SPC-4 6.6).
func (u *Unit) inquiry(c *scsi.Command) error {
	cdb := c.CDB()
	if cdb[1]&0x02 != 0 { // CMDDT is obsolete
		return scsi.BadCDB(1, 1)
	}
	var room [512]byte
	if cdb[1]&0x01 == 0 {
		if cdb[2] != 0 {
			return scsi.BadCDB(2, 7)
		}
		return c.Reply(u.appendInquiry(room[:0], c))
	}
	for i := range u.vpd {
		p := &u.vpd[i]
		if p.code == cdb[2] {
			// The header goes before the body once the length is known.
			b := p.body(append(room[:0], u.peripheral(), p.code, 0, 0), c)
			n := min(len(b)-4, 0xFFFF)
			b[2], b[3] = byte(n>>8), byte(n)
			return c.Reply(b[:4+n])
		}
	}
	return scsi.BadCDB(2, 7)
}

// appendInquiry appends the standard INQUIRY data.
func (u *Unit) appendInquiry(dst []byte, c *scsi.Command) []byte {
	q := spc.StandardInquiry{
		Type:      u.opts.Type,
		Removable: u.opts.Removable,
		NormACA:   true,
		MultiP:    true,
		CmdQue:    true,
		Vendor:    u.ident.vendor,
		Product:   u.ident.product,
		Revision:  u.ident.revision,
	}
	var room [8]uint16
	q.Descriptors = append(room[:0], spc.ClaimSAM5, spc.ClaimSPC4)
	q.Descriptors = append(q.Descriptors, u.opts.Versions...)
	if n := c.Nexus(); n != nil {
		q.TPGS = n.Port.TPGS
		switch n.Port.Protocol {
		case scsi.ProtocolISCSI:
			q.Descriptors = append(q.Descriptors, spc.ClaimISCSI)
		case scsi.ProtocolSRP:
			q.Descriptors = append(q.Descriptors, spc.ClaimSRP)
		}
	}
	return spc.AppendStandardInquiry(dst, &q)
}

// appendDesignators appends the body of page 83h: the unit's own designators, and those
// of the port that received the command and of its target device.
func (u *Unit) appendDesignators(dst []byte, c *scsi.Command) []byte {
	dst = append(dst, u.ident.designators...)
	n := c.Nexus()
	if n == nil {
		return dst
	}
	p := &n.Port
	dst = spc.AppendDesignator(dst, spc.RelativePort(p.Protocol, p.RelativeID))
	if p.Group != 0 {
		dst = spc.AppendDesignator(dst, spc.InPortGroup(p.Protocol, p.Group))
	}
	if p.Name != "" {
		dst = spc.AppendDesignator(dst, spc.NameString(spc.OfPort, p.Name).WithProtocol(p.Protocol))
	}
	if p.TargetName != "" {
		dst = spc.AppendDesignator(dst, spc.NameString(spc.OfTarget, p.TargetName).WithProtocol(p.Protocol))
	}
	return dst
}

// identify makes the identification of options and host.
func (u *Unit) identify() error {
	o := &u.opts
	id := identity{vendor: o.Vendor, product: o.Product, revision: o.Revision, serial: o.Serial}
	if id.vendor == "" {
		id.vendor = defaultVendor
	}
	if id.product == "" {
		id.product = "VIRTUAL " + strings.ToUpper(o.Type.String())
		id.product = id.product[:min(len(id.product), 16)]
	}
	if id.revision == "" {
		id.revision = defaultRevision
	}
	if id.serial == "" {
		id.serial = fmt.Sprintf("%016x", u.Host().ID())
	}
	for _, f := range [...]struct {
		name, text string
		limit      int
	}{
		{"vendor identification", id.vendor, 8},
		{"product identification", id.product, 16},
		{"product revision level", id.revision, 4},
		{"unit serial number", id.serial, 200},
	} {
		if err := checkASCII(f.name, f.text, f.limit); err != nil {
			return err
		}
	}
	list, err := u.designators(&id)
	if err != nil {
		return err
	}
	id.designators = spc.AppendDesignators(nil, list)
	u.ident = id
	return nil
}

// designators lists the designators of the logical unit, the most specific first.
func (u *Unit) designators(id *identity) ([]spc.Designator, error) {
	var list []spc.Designator
	if u.opts.NAA != nil {
		d, err := spc.NAA(u.opts.NAA)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if u.opts.EUI64 != nil {
		d, err := spc.EUI64(u.opts.EUI64)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		list = append(list, spc.LocalNAA(u.Host().ID()))
	}
	if u.opts.Name != "" {
		if len(u.opts.Name) > 251 {
			return nil, fmt.Errorf("SCSI name string of %d bytes, at most 251 are allowed", len(u.opts.Name))
		}
		list = append(list, spc.NameString(spc.OfUnit, u.opts.Name))
	}
	product := (id.product + "                ")[:16]
	return append(list, spc.T10ID(id.vendor, product+id.serial)), nil
}

func checkASCII(name, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%s %q has %d bytes, at most %d are allowed", name, text, len(text), limit)
	}
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7E {
			return fmt.Errorf("%s %q has bytes that are not printable ASCII", name, text)
		}
	}
	return nil
}
