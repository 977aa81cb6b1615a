package iscsi

import (
	"net"
	"strings"
)

// defaultPortalGroup is the portal group tag of portals that are not advertised with
// another.
const defaultPortalGroup = 1

// Portal is an address at which initiators reach a target.
type Portal struct {
	// Host is an IP address or a DNS name.
	Host string
	// Port is the TCP port. 0: 3260.
	Port uint16
	// Group is the portal group tag. 0: 1. A session belongs to the group of the portal
	// through which it was opened.
	Group uint16
}

// defaultPort is the port that IANA gave to iSCSI (RFC 7143 14).
const defaultPort = 3260

func (p Portal) withDefaults() Portal {
	if p.Port == 0 {
		p.Port = defaultPort
	}
	if p.Group == 0 {
		p.Group = defaultPortalGroup
	}
	return p
}

// portals returns where the target of that name is reached, as it is told to initiators
// that come to the address local; none if it is not to be reached there.
func (s *Server) portals(name string, local net.Addr) []Portal {
	if s.Advertise == nil {
		p := Portal{Group: defaultPortalGroup}
		if a, ok := local.(*net.TCPAddr); ok {
			p.Host, p.Port = a.IP.String(), uint16(a.Port)
		}
		return []Portal{p}
	}
	list := s.Advertise(name, local)
	out := make([]Portal, len(list))
	for i, p := range list {
		out[i] = p.withDefaults()
	}
	return out
}

// groupTag is the portal group tag of a session that is opened through local.
func groupTag(portals []Portal, local net.Addr) uint16 {
	if a, ok := local.(*net.TCPAddr); ok {
		for _, p := range portals {
			if ip := net.ParseIP(strings.Trim(p.Host, "[]")); ip.Equal(a.IP) && int(p.Port) == a.Port {
				return p.Group
			}
		}
	}
	return portals[0].Group
}

// describe is what SendTargets says of a target. ok is false if it is not to be reached
// through local.
func (s *Server) describe(name string, local net.Addr) (d discovered, ok bool) {
	portals := s.portals(name, local)
	if len(portals) == 0 {
		return d, false
	}
	d.name = name
	for _, p := range portals {
		if p.Host != "" { // else the initiator goes on using the portal that it came to
			d.portals = append(d.portals, portalAddr{host: p.Host, port: p.Port, tag: p.Group})
		}
	}
	return d, true
}
