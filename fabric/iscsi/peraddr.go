package iscsi

import (
	"net"
	"net/netip"
	"time"
)

const (
	// complainEvery is how long nothing more is logged about an address that has too many
	// connections.
	complainEvery = time.Minute
	// maxComplaints bounds the addresses that are remembered for that; others are only counted.
	maxComplaints = 1024
)

// perAddress counts connections by their remote address. Server.mu guards it.
type perAddress struct {
	conns      map[netip.Addr]int
	complained map[netip.Addr]time.Time // when
}

// remoteOf is the remote address of a connection; not valid if it has none of the internet.
func remoteOf(nc net.Conn) netip.Addr {
	t, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// add counts one more connection, unless there are most already; 0: no bound. Connections
// without an address are not counted.
func (p *perAddress) add(a netip.Addr, most int) bool {
	if !a.IsValid() {
		return true
	}
	n := p.conns[a]
	if most > 0 && n >= most {
		return false
	}
	if p.conns == nil {
		p.conns = make(map[netip.Addr]int)
	}
	p.conns[a] = n + 1
	return true
}

// remove counts one connection less.
func (p *perAddress) remove(a netip.Addr) {
	if n := p.conns[a]; n > 1 {
		p.conns[a] = n - 1
	} else {
		delete(p.conns, a)
	}
}

// complain reports whether it is time to log something about an address.
func (p *perAddress) complain(a netip.Addr, now time.Time) bool {
	if last, ok := p.complained[a]; ok && now.Sub(last) < complainEvery {
		return false
	}
	if len(p.complained) >= maxComplaints {
		for x, last := range p.complained {
			if now.Sub(last) >= complainEvery {
				delete(p.complained, x)
			}
		}
		if len(p.complained) >= maxComplaints {
			return false
		}
	}
	if p.complained == nil {
		p.complained = make(map[netip.Addr]time.Time)
	}
	p.complained[a] = now
	return true
}
