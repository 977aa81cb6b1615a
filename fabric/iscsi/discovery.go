package iscsi

import (
	"net/netip"
	"strconv"
)

// sendTargetsAll asks for every target (RFC 7143 Appendix C).
const sendTargetsAll = "All"

// portalAddr is where a target can be reached.
type portalAddr struct {
	host string // IP address or DNS name
	port uint16
	tag  uint16 // of the portal group
}

// discovered is a target as SendTargets tells of it.
type discovered struct {
	name    string
	portals []portalAddr
}

// targetLister knows the targets that the initiator of a session may see through the portal
// that it came to: all of them if name is "", else the one of that name, in its normal form.
// The result is not changed afterwards.
type targetLister interface {
	listTargets(name string) []discovered
}

// listing is an answer to SendTargets as it is being sent. It is encoded piece by piece, for
// an answer with thousands of targets is larger than what a session should hold.
type listing struct {
	targets []discovered
	portal  int // portals of targets[0] that have been sent, plus one for its name
}

// empty reports whether everything has been sent.
func (l *listing) empty() bool { return len(l.targets) == 0 }

// next appends whole pairs to dst for as long as it does not grow beyond limit bytes. A pair
// that would not even fit alone is left out, so that the answer comes to an end.
func (l *listing) next(dst []byte, limit int) []byte {
	for !l.empty() {
		t := &l.targets[0]
		n := len(dst)
		if l.portal == 0 {
			dst = appendPair(dst, keyTable[keyTargetName].name, t.name)
		} else {
			dst = appendPair(dst, keyTable[keyTargetAddress].name, t.portals[l.portal-1].String())
		}
		if len(dst) > limit {
			dst = dst[:n]
			if n > 0 {
				return dst
			}
		}
		if l.portal++; l.portal > len(t.portals) {
			l.targets, l.portal = l.targets[1:], 0
		}
	}
	return dst
}

// String returns the value of TargetAddress: an IPv6 address is in brackets, without its
// zone, which means nothing to the initiator (RFC 7143 13.8).
func (a portalAddr) String() string {
	host := a.host
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		if host = ip.String(); ip.Is6() {
			host = "[" + host + "]"
		}
	}
	return host + ":" + strconv.Itoa(int(a.port)) + "," + strconv.Itoa(int(a.tag))
}
