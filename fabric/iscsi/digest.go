package iscsi

// digestCRC32C is the name of the one digest that there is (RFC 7143 13.1).
const digestCRC32C = "CRC32C"

// DigestPolicy says which of "None" and "CRC32C" a target accepts for a digest. The zero
// value is DigestAllowed.
type DigestPolicy uint8

// Policies for a digest.
const (
	DigestAllowed   DigestPolicy = iota // either; the initiator's first choice wins
	DigestPreferred                     // CRC32C wherever the initiator lists it
	DigestRequired                      // CRC32C, or the login fails
	DigestOff                           // None
)

// String names p.
func (p DigestPolicy) String() string {
	switch p {
	case DigestAllowed:
		return "allowed"
	case DigestPreferred:
		return "preferred"
	case DigestRequired:
		return "required"
	case DigestOff:
		return "off"
	}
	return "unknown digest policy"
}

// accepts returns the values that p accepts, best first; ranked says that this order counts
// and not that of the initiator. An unknown policy accepts what DigestAllowed does.
func (p DigestPolicy) accepts() (values []string, ranked bool) {
	switch p {
	case DigestPreferred:
		return []string{digestCRC32C, valueNone}, true
	case DigestRequired:
		return []string{digestCRC32C}, true
	case DigestOff:
		return []string{valueNone}, true
	}
	return []string{digestCRC32C, valueNone}, false
}
