package spc

import "encoding/binary"

// Sharing says who has a copy of its own of a mode page (SPC-4 7.8, page 87h).
type Sharing uint8

// The mode page policies.
const (
	SharedByAll Sharing = 0
	PerPort     Sharing = 1 // one for each target port
	PerNexus    Sharing = 3 // one for each I_T nexus
)

const (
	policyLen    = 4
	portEntryLen = 12 // of a SCSI port without TransportID and designators
)

// ModePolicy is a mode page policy descriptor of page 87h. Page 3Fh with subpage FFh stands
// for all pages that no other descriptor names.
type ModePolicy struct {
	Page, Subpage uint8
	MultipleUnits bool // MLUS: more than one logical unit shares the page
	Sharing       Sharing
}

// PolicyForAll is the policy for all pages.
func PolicyForAll(s Sharing) ModePolicy {
	return ModePolicy{Page: AllPages, Subpage: AllSubpages, Sharing: s}
}

// AppendModePolicies appends the body of page 87h.
func AppendModePolicies(dst []byte, list []ModePolicy) []byte {
	for _, p := range list {
		dst = append(dst, p.Page&0x3F, p.Subpage, bit(p.MultipleUnits, 7)|byte(p.Sharing)&3, 0)
	}
	return dst
}

// ParseModePolicies decodes the body of page 87h.
func ParseModePolicies(body []byte) ([]ModePolicy, error) {
	if len(body)%policyLen != 0 {
		return nil, ErrLength
	}
	var list []ModePolicy
	for b := body; len(b) > 0; b = b[policyLen:] {
		list = append(list, ModePolicy{b[0] & 0x3F, b[1], has(b[2], 7), Sharing(b[2] & 3)})
	}
	return list, nil
}

// SCSIPort is a designation descriptor of page 88h: a port of the target device (SPC-4 7.8).
type SCSIPort struct {
	RelativeID  uint16
	TransportID []byte       // of the initiator side of the port; nil if it has none
	Designators []Designator // of the target port
}

// AppendPorts appends the body of page 88h.
func AppendPorts(dst []byte, list []SCSIPort) []byte {
	for _, p := range list {
		id := p.TransportID[:min(len(p.TransportID), 0xFFFC)]
		dst = append(dst, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, p.RelativeID)
		dst = append(dst, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(id)))
		dst = append(dst, id...)
		n := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		for _, d := range p.Designators {
			dst = AppendDesignator(dst, d)
		}
		put16(dst[n+2:], len(dst)-n-4)
	}
	return dst
}

// ParsePorts decodes the body of page 88h.
func ParsePorts(body []byte) ([]SCSIPort, error) {
	var list []SCSIPort
	for b := body; len(b) > 0; {
		if len(b) < portEntryLen {
			return list, ErrShort
		}
		p := SCSIPort{RelativeID: binary.BigEndian.Uint16(b[2:])}
		n := int(binary.BigEndian.Uint16(b[6:]))
		if n > len(b)-portEntryLen {
			return list, ErrShort
		}
		if n > 0 {
			p.TransportID = b[8 : 8+n]
		}
		b = b[8+n:]
		n = int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return list, ErrShort
		}
		var err error
		if p.Designators, err = ParseDesignators(b[4 : 4+n]); err != nil {
			return list, err
		}
		list = append(list, p)
		b = b[4+n:]
	}
	return list, nil
}
