package spc

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
)

// AccessState is an asymmetric access state (SPC-4 5.16, 6.37).
type AccessState uint8

// The asymmetric access states.
const (
	ActiveOptimized    AccessState = 0x0
	ActiveNonOptimized AccessState = 0x1
	Standby            AccessState = 0x2
	Unavailable        AccessState = 0x3
	LBADependent       AccessState = 0x4
	Offline            AccessState = 0xE
	Transitioning      AccessState = 0xF
)

// Bits of PortGroup.Supports: states that the group may be in.
const (
	SupportsOptimized     uint8 = 0x01 // AO_SUP
	SupportsNonOptimized  uint8 = 0x02 // AN_SUP
	SupportsStandby       uint8 = 0x04 // S_SUP
	SupportsUnavailable   uint8 = 0x08 // U_SUP
	SupportsLBADependent  uint8 = 0x10 // LBD_SUP
	SupportsOffline       uint8 = 0x40 // O_SUP
	SupportsTransitioning uint8 = 0x80 // T_SUP
)

// Values of PortGroup.Status: what changed the state last.
const (
	StatusNotAvailable uint8 = 0
	StatusByCommand    uint8 = 1 // SET TARGET PORT GROUPS
	StatusImplicit     uint8 = 2 // the target itself
)

// PortGroup is a target port group descriptor of REPORT TARGET PORT GROUPS (SPC-4 6.37).
type PortGroup struct {
	ID        uint16
	State     AccessState
	Preferred bool
	Supports  uint8
	Status    uint8
	Vendor    uint8
	Ports     []uint16 // relative target port identifiers; at most 255
}

// AppendPortGroups appends REPORT TARGET PORT GROUPS parameter data, with the length only
// header, or with the extended header, whose transition is the longest time of an implicit
// change in seconds, 0 if unknown.
func AppendPortGroups(dst []byte, groups []PortGroup, extended bool, transition uint8) []byte {
	n := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if extended {
		dst = append(dst, 0x10, transition, 0, 0)
	}
	for _, g := range groups {
		ports := g.Ports[:min(len(g.Ports), 255)]
		dst = append(dst, bit(g.Preferred, 7)|byte(g.State)&0xF, g.Supports, byte(g.ID>>8), byte(g.ID),
			0, g.Status, g.Vendor, byte(len(ports)))
		for _, p := range ports {
			dst = append(dst, 0, 0, byte(p>>8), byte(p))
		}
	}
	put32(dst[n:], uint64(len(dst)-n-4))
	return dst
}

// ParsePortGroups decodes parameter data of either format; the caller knows which one it
// asked for.
func ParsePortGroups(b []byte, extended bool) (groups []PortGroup, transition uint8, err error) {
	if len(b) < 4 {
		return nil, 0, ErrShort
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, 0, ErrShort
	}
	b = b[:n]
	if extended {
		if len(b) < 4 {
			return nil, 0, ErrShort
		}
		if b[0]>>4&7 != 1 {
			return nil, 0, ErrFormat
		}
		transition, b = b[1], b[4:]
	}
	for len(b) > 0 {
		if len(b) < 8 || len(b) < 8+4*int(b[7]) {
			return groups, transition, ErrShort
		}
		g := PortGroup{ID: binary.BigEndian.Uint16(b[2:]), State: AccessState(b[0] & 0xF), Preferred: has(b[0], 7),
			Supports: b[1], Status: b[5], Vendor: b[6]}
		for i := range int(b[7]) {
			g.Ports = append(g.Ports, binary.BigEndian.Uint16(b[8+4*i+2:]))
		}
		groups = append(groups, g)
		b = b[8+4*int(b[7]):]
	}
	return groups, transition, nil
}

// SetPortGroup is a descriptor of SET TARGET PORT GROUPS (SPC-4 6.45).
type SetPortGroup struct {
	ID    uint16
	State AccessState
}

// AppendSetPortGroups appends the parameter list of SET TARGET PORT GROUPS.
func AppendSetPortGroups(dst []byte, groups []SetPortGroup) []byte {
	dst = append(dst, 0, 0, 0, 0)
	for _, g := range groups {
		dst = append(dst, byte(g.State)&0xF, 0, byte(g.ID>>8), byte(g.ID))
	}
	return dst
}

// ParseSetPortGroups decodes what an initiator sent; its errors are sense codes. An empty list
// asks for nothing, and a list that is cut is a parameter list length error.
func ParseSetPortGroups(b []byte) ([]SetPortGroup, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b)%4 != 0 {
		return nil, scsi.ParameterListLength
	}
	var groups []SetPortGroup
	for b = b[4:]; len(b) > 0; b = b[4:] {
		groups = append(groups, SetPortGroup{binary.BigEndian.Uint16(b[2:]), AccessState(b[0] & 0xF)})
	}
	return groups, nil
}
