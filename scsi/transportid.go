package scsi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Protocol is a protocol identifier (SPC-4 7.6.1).
type Protocol uint8

// The protocol identifiers.
const (
	ProtocolFCP     Protocol = 0x0
	ProtocolSRP     Protocol = 0x4
	ProtocolISCSI   Protocol = 0x5
	ProtocolSAS     Protocol = 0x6
	ProtocolUnknown Protocol = 0xF
)

// TransportID is an initiator port as persistent reservations know it (SPC-4 7.6.4):
// what is registered, kept over sessions, and reported.
type TransportID struct {
	Protocol Protocol
	Name     string // iSCSI: the initiator's name
	ISID     []byte // iSCSI: six bytes, or nil for every port of the node (format 0)
	Port     []byte // FCP: 8-byte N_Port_Name; SRP: 16-byte port identifier; SAS: 8-byte address
}

// AppendTransportID appends the encoded form of t, a multiple of four bytes long and
// never shorter than 24.
func AppendTransportID(dst []byte, t TransportID) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, 24)...)
	b := dst[n:]
	b[0] = byte(t.Protocol) & 0xF
	switch t.Protocol {
	case ProtocolISCSI:
		name := t.Name
		if t.ISID != nil {
			b[0] |= 0x40
			name += fmt.Sprintf(",i,0x%012x", t.ISID)
		}
		dst = append(dst[:n+4], name...)
		dst = append(dst, 0)
		for (len(dst)-n)%4 != 0 || len(dst)-n < 24 {
			dst = append(dst, 0)
		}
		binary.BigEndian.PutUint16(dst[n+2:], uint16(len(dst)-n-4))
	case ProtocolFCP:
		copy(b[8:16], t.Port)
	case ProtocolSRP:
		copy(b[8:24], t.Port)
	case ProtocolSAS:
		copy(b[4:12], t.Port)
	}
	return dst
}

// ParseTransportID decodes the TransportID at the start of b and returns how many
// bytes it takes.
func ParseTransportID(b []byte) (t TransportID, n int, err error) {
	if len(b) < 24 {
		return t, 0, fmt.Errorf("scsi: TransportID of %d bytes, at least 24 needed", len(b))
	}
	t.Protocol = Protocol(b[0] & 0xF)
	format := b[0] >> 6
	if t.Protocol != ProtocolISCSI {
		if format != 0 {
			return t, 0, fmt.Errorf("scsi: TransportID format %d of protocol %d", format, t.Protocol)
		}
		switch t.Protocol {
		case ProtocolFCP:
			t.Port = append([]byte(nil), b[8:16]...)
		case ProtocolSRP:
			t.Port = append([]byte(nil), b[8:24]...)
		case ProtocolSAS:
			t.Port = append([]byte(nil), b[4:12]...)
		default:
			return t, 0, fmt.Errorf("scsi: TransportID of protocol %d", t.Protocol)
		}
		return t, 24, nil
	}
	n = 4 + int(binary.BigEndian.Uint16(b[2:]))
	if n < 24 || n > len(b) || n%4 != 0 || format > 1 {
		return t, 0, fmt.Errorf("scsi: iSCSI TransportID with length %d, format %d", n-4, format)
	}
	text, rest, ok := strings.Cut(string(b[4:n]), "\x00")
	if !ok || strings.Trim(rest, "\x00") != "" || text == "" {
		return t, 0, fmt.Errorf("scsi: iSCSI TransportID whose name is not null-terminated and padded")
	}
	t.Name = text
	if format == 1 {
		name, isid, ok := strings.Cut(text, ",i,0x")
		if !ok || len(isid) != 12 || name == "" {
			return t, 0, fmt.Errorf("scsi: iSCSI TransportID without an ISID")
		}
		if t.ISID, err = hex.DecodeString(isid); err != nil {
			return t, 0, fmt.Errorf("scsi: iSCSI TransportID with ISID %q", isid)
		}
		t.Name = name
	}
	return t, n, nil
}

// Equal reports whether both name the same initiator port. iSCSI names are compared
// without case.
func (t TransportID) Equal(o TransportID) bool {
	return t.Protocol == o.Protocol && strings.EqualFold(t.Name, o.Name) &&
		string(t.ISID) == string(o.ISID) && string(t.Port) == string(o.Port)
}
