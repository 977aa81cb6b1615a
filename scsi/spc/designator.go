package spc

import (
	"encoding/binary"
	"fmt"

	"github.com/goscst/goscst/scsi"
)

// CodeSet is the CODE SET of a designator.
type CodeSet uint8

// The code sets.
const (
	Binary CodeSet = 1
	ASCII  CodeSet = 2
	UTF8   CodeSet = 3
)

// Association says what a designator names.
type Association uint8

// The associations.
const (
	OfUnit   Association = 0 // the logical unit
	OfPort   Association = 1 // the target port that received the command
	OfTarget Association = 2 // the SCSI target device
)

// DesignatorType is the form of a designator.
type DesignatorType uint8

// The designator types.
const (
	DesignatorVendor       DesignatorType = 0x0
	DesignatorT10          DesignatorType = 0x1 // T10 vendor ID based
	DesignatorEUI64        DesignatorType = 0x2
	DesignatorNAA          DesignatorType = 0x3
	DesignatorRelativePort DesignatorType = 0x4
	DesignatorPortGroup    DesignatorType = 0x5 // target port group
	DesignatorUnitGroup    DesignatorType = 0x6 // logical unit group
	DesignatorMD5          DesignatorType = 0x7 // MD5 logical unit identifier
	DesignatorName         DesignatorType = 0x8 // SCSI name string
	DesignatorProtocolPort DesignatorType = 0x9 // protocol specific port identifier
	DesignatorUUID         DesignatorType = 0xA
)

// Designator is a designation descriptor, as in page 83h (SPC-4 7.8, device identification).
type Designator struct {
	CodeSet     CodeSet
	Association Association
	Type        DesignatorType
	PIV         bool          // Protocol is meaningful
	Protocol    scsi.Protocol // of the port or target device
	ID          []byte        // the DESIGNATOR field: at most 255 bytes
}

// AppendDesignator appends the descriptor. More than 255 bytes of ID are cut.
func AppendDesignator(dst []byte, d Designator) []byte {
	id := d.ID[:min(len(d.ID), 255)]
	var protocol byte
	if d.PIV {
		protocol = byte(d.Protocol) << 4
	}
	dst = append(dst, protocol|byte(d.CodeSet)&0xF,
		bit(d.PIV, 7)|byte(d.Association)&3<<4|byte(d.Type)&0xF, 0, byte(len(id)))
	return append(dst, id...)
}

// ParseDesignator decodes the descriptor at the start of b and returns how many bytes it
// takes. Fields are returned as they are, meaningful or not.
func ParseDesignator(b []byte) (d Designator, n int, err error) {
	if len(b) < 4 {
		return d, 0, ErrShort
	}
	n = 4 + int(b[3])
	if n > len(b) {
		return d, 0, ErrShort
	}
	d = Designator{
		CodeSet: CodeSet(b[0] & 0xF), Association: Association(b[1] >> 4 & 3), Type: DesignatorType(b[1] & 0xF),
		PIV: has(b[1], 7), ID: b[4:n:n],
	}
	if d.PIV {
		d.Protocol = scsi.Protocol(b[0] >> 4)
	}
	return d, n, nil
}

// AppendDesignators appends the body of page 83h.
func AppendDesignators(dst []byte, list []Designator) []byte {
	for _, d := range list {
		dst = AppendDesignator(dst, d)
	}
	return dst
}

// ParseDesignators decodes the body of page 83h.
func ParseDesignators(body []byte) ([]Designator, error) {
	var list []Designator
	for len(body) > 0 {
		d, n, err := ParseDesignator(body)
		if err != nil {
			return list, err
		}
		list = append(list, d)
		body = body[n:]
	}
	return list, nil
}

// VendorID is a vendor-specific designator of the logical unit.
func VendorID(id []byte) Designator {
	return Designator{CodeSet: Binary, Type: DesignatorVendor, ID: id}
}

// T10ID is a designator made of an assigned vendor identification, of eight characters, and an
// identifier that is unique within it.
func T10ID(vendor, id string) Designator {
	b := appendASCII(make([]byte, 0, 8+len(id)), vendor, 8)
	return Designator{CodeSet: ASCII, Type: DesignatorT10, ID: appendASCII(b, id, len(id))}
}

// EUI64 is a designator of an EUI-64 of 8, 12 or 16 bytes; other lengths are not valid.
func EUI64(id []byte) (Designator, error) {
	if n := len(id); n != 8 && n != 12 && n != 16 {
		return Designator{}, fmt.Errorf("spc: EUI-64 designator of %d bytes", n)
	}
	return Designator{CodeSet: Binary, Type: DesignatorEUI64, ID: id}, nil
}

// NAA is a designator of 8 bytes in format 2 (IEEE extended), 3 (locally assigned) or 5 (IEEE
// registered), or of 16 bytes in format 6 (IEEE registered extended).
func NAA(id []byte) (Designator, error) {
	d := Designator{CodeSet: Binary, Type: DesignatorNAA, ID: id}
	if !d.validNAA() {
		return Designator{}, fmt.Errorf("spc: NAA designator %x", id)
	}
	return d, nil
}

// LocalNAA is a NAA designator in format 3 made of the low 60 bits of a number that is unique
// within the site.
func LocalNAA(n uint64) Designator {
	return Designator{CodeSet: Binary, Type: DesignatorNAA, ID: binary.BigEndian.AppendUint64(nil, 3<<60|n&(1<<60-1))}
}

// RelativePort is the designator of the target port with the relative port identifier id.
func RelativePort(p scsi.Protocol, id uint16) Designator {
	return ofPort(DesignatorRelativePort, p, id)
}

// InPortGroup is the designator of the target port group that the target port belongs to.
func InPortGroup(p scsi.Protocol, group uint16) Designator {
	return ofPort(DesignatorPortGroup, p, group)
}

func ofPort(t DesignatorType, p scsi.Protocol, id uint16) Designator {
	return Designator{CodeSet: Binary, Association: OfPort, Type: t, PIV: true, Protocol: p,
		ID: []byte{0, 0, byte(id >> 8), byte(id)}}
}

// InUnitGroup is the designator of the logical unit group that the unit belongs to.
func InUnitGroup(group uint16) Designator {
	return Designator{CodeSet: Binary, Type: DesignatorUnitGroup, ID: []byte{0, 0, byte(group >> 8), byte(group)}}
}

// MD5ID is the designator of a logical unit that is identified by a hash alone.
func MD5ID(sum [16]byte) Designator {
	return Designator{CodeSet: Binary, Type: DesignatorMD5, ID: sum[:]}
}

// NameString is a SCSI name string of UTF-8 such as "iqn…" or "naa.…": the text with a zero byte
// at its end, padded to a multiple of four. At most 251 bytes of the text are kept.
func NameString(a Association, name string) Designator {
	b := append([]byte(nil), name[:min(len(name), 251)]...)
	b = append(b, 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return Designator{CodeSet: UTF8, Association: a, Type: DesignatorName, ID: b}
}

// WithProtocol is d with a protocol identifier, as designators of ports and targets have it.
func (d Designator) WithProtocol(p scsi.Protocol) Designator {
	d.PIV, d.Protocol = true, p
	return d
}

// ProtocolPort is the protocol specific identifier of the target port. Each
// protocol that has one gives its form.
func ProtocolPort(p scsi.Protocol, id []byte) Designator {
	return Designator{CodeSet: Binary, Association: OfPort, Type: DesignatorProtocolPort, PIV: true, Protocol: p, ID: id}
}

// UUID is a designator of a universally unique identifier (RFC 4122).
func UUID(id [16]byte) Designator {
	return Designator{CodeSet: Binary, Type: DesignatorUUID, ID: append([]byte{0x10, 0}, id[:]...)}
}

// Number is the identifier of a relative port, port group or unit group.
func (d Designator) Number() (id uint16, ok bool) {
	switch d.Type {
	case DesignatorRelativePort, DesignatorPortGroup, DesignatorUnitGroup:
		if len(d.ID) == 4 {
			return binary.BigEndian.Uint16(d.ID[2:]), true
		}
	}
	return 0, false
}

// String is the designator in the notation of SCSI name strings where there is one, such as
// "naa.6001405…" or "eui.…", or its type and contents.
func (d Designator) String() string {
	switch d.Type {
	case DesignatorT10:
		return "t10." + trimASCII(d.ID)
	case DesignatorEUI64:
		return fmt.Sprintf("eui.%x", d.ID)
	case DesignatorNAA:
		return fmt.Sprintf("naa.%x", d.ID)
	case DesignatorName:
		return trimASCII(d.ID)
	case DesignatorUUID:
		if len(d.ID) == 18 {
			u := d.ID[2:]
			return fmt.Sprintf("uuid.%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		}
	}
	if n, ok := d.Number(); ok {
		return fmt.Sprintf("%v %d", d.Type, n)
	}
	return fmt.Sprintf("%v %x", d.Type, d.ID)
}

// String is a short name of the type.
func (t DesignatorType) String() string {
	names := [...]string{"vendor", "t10", "eui", "naa", "relative port", "port group", "unit group", "md5", "name",
		"protocol port", "uuid"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("designator type %Xh", uint8(t))
}

// validNAA checks length and format of a NAA designator.
func (d Designator) validNAA() bool {
	if len(d.ID) == 0 {
		return false
	}
	switch d.ID[0] >> 4 {
	case 2, 3, 5:
		return len(d.ID) == 8
	case 6:
		return len(d.ID) == 16
	}
	return false
}
