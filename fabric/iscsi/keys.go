package iscsi

import "strconv"

// keyID is the index of a key in keyTable.
type keyID uint8

// The keys of RFC 7143 13 and 12, and of RFC 7144.
const (
	keyInitiatorName keyID = iota
	keyTargetName
	keySessionType
	keyInitiatorAlias
	keyTargetAlias
	keyTargetAddress
	keyTargetPortalGroupTag
	keySendTargets
	keyAuthMethod
	keyHeaderDigest
	keyDataDigest
	keyMaxRecvDataSegmentLength
	keyMaxConnections
	keyInitialR2T
	keyImmediateData
	keyMaxBurstLength
	keyFirstBurstLength
	keyDefaultTime2Wait
	keyDefaultTime2Retain
	keyMaxOutstandingR2T
	keyDataPDUInOrder
	keyDataSequenceInOrder
	keyErrorRecoveryLevel
	keyTaskReporting
	keyProtocolLevel
	keyIFMarker
	keyOFMarker
	keyIFMarkInt
	keyOFMarkInt

	numKeys
)

// keyKind is how the value of a key comes about (RFC 7143 6.2).
type keyKind uint8

const (
	kindText     keyKind = iota // declared: a name or another text
	kindDeclared                // declared: a number
	kindMin                     // number: the smaller of both sides'
	kindMax                     // number: the larger of both sides'
	kindAnd                     // boolean: Yes if both sides say so
	kindOr                      // boolean: Yes if either side says so
	kindList                    // one of the initiator's values, in its order of preference
	kindNo                      // boolean that is always answered No
	kindReject                  // always answered Reject
)

// phase is a set of phases of a connection.
type phase uint8

const (
	phaseFirst    phase = 1 << iota // the first request of a login
	phaseSecurity                   // SecurityNegotiation
	phaseOperational
	phaseFull // full-feature phase

	phaseLogin = phaseSecurity | phaseOperational
	phaseAny   = phaseLogin | phaseFull
)

// Bounds of the lengths of data (RFC 7143 13.12 to 13.14).
const (
	minSegment = 512
	maxSegment = 1<<24 - 1
)

// keyInfo is a row of keyTable.
type keyInfo struct {
	name string
	kind keyKind

	// phases are those in which an initiator may send the key; none if only targets send
	// it. Keys for the operational stage are taken in the security stage too: RFC 7143 12
	// reserves that for others, but nothing is won by refusing them there.
	phases phase

	leadingOnly bool // LO: not on further connections of a session
	noDiscovery bool // irrelevant in a discovery session
	late        bool // depends on the other keys of the same text

	// number and flag find the parameter; lo and hi bound a number.
	number func(*Params) *int
	flag   func(*Params) *bool
	lo, hi int
}

// keyTable has the properties of all keys, as RFC 7143 13 and RFC 7144 list them. The
// defaults are in defaultParams, what the target wants is in Offer.
var keyTable = [numKeys]keyInfo{
	keyInitiatorName: {name: "InitiatorName", kind: kindText, phases: phaseFirst},
	keyTargetName:    {name: "TargetName", kind: kindText, phases: phaseFirst},
	keySessionType:   {name: "SessionType", kind: kindText, phases: phaseFirst},

	keyInitiatorAlias: {name: "InitiatorAlias", kind: kindText, phases: phaseAny},

	keyTargetAlias:          {name: "TargetAlias", kind: kindText},
	keyTargetAddress:        {name: "TargetAddress", kind: kindText},
	keyTargetPortalGroupTag: {name: "TargetPortalGroupTag", kind: kindText},

	keySendTargets: {name: "SendTargets", kind: kindText, phases: phaseFull},

	keyAuthMethod: {name: "AuthMethod", kind: kindList, phases: phaseSecurity},

	keyHeaderDigest: {
		name: "HeaderDigest", kind: kindList, phases: phaseLogin,
		flag: func(p *Params) *bool { return &p.HeaderDigest },
	},
	keyDataDigest: {
		name: "DataDigest", kind: kindList, phases: phaseLogin,
		flag: func(p *Params) *bool { return &p.DataDigest },
	},
	keyMaxRecvDataSegmentLength: {
		name: "MaxRecvDataSegmentLength", kind: kindDeclared, phases: phaseAny,
		number: func(p *Params) *int { return &p.MaxXmitDataSegmentLength }, lo: minSegment, hi: maxSegment,
	},
	keyMaxConnections: {
		name: "MaxConnections", kind: kindMin, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		number: func(p *Params) *int { return &p.MaxConnections }, lo: 1, hi: 65535,
	},
	keyInitialR2T: {
		name: "InitialR2T", kind: kindOr, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		flag: func(p *Params) *bool { return &p.InitialR2T },
	},
	keyImmediateData: {
		name: "ImmediateData", kind: kindAnd, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		flag: func(p *Params) *bool { return &p.ImmediateData },
	},
	keyMaxBurstLength: {
		name: "MaxBurstLength", kind: kindMin, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		number: func(p *Params) *int { return &p.MaxBurstLength }, lo: minSegment, hi: maxSegment,
	},
	keyFirstBurstLength: {
		name: "FirstBurstLength", kind: kindMin, phases: phaseLogin, leadingOnly: true, noDiscovery: true, late: true,
		number: func(p *Params) *int { return &p.FirstBurstLength }, lo: minSegment, hi: maxSegment,
	},
	keyDefaultTime2Wait: {
		name: "DefaultTime2Wait", kind: kindMax, phases: phaseLogin, leadingOnly: true,
		number: func(p *Params) *int { return &p.DefaultTime2Wait }, lo: 0, hi: 3600,
	},
	keyDefaultTime2Retain: {
		name: "DefaultTime2Retain", kind: kindMin, phases: phaseLogin, leadingOnly: true,
		number: func(p *Params) *int { return &p.DefaultTime2Retain }, lo: 0, hi: 3600,
	},
	keyMaxOutstandingR2T: {
		name: "MaxOutstandingR2T", kind: kindMin, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		number: func(p *Params) *int { return &p.MaxOutstandingR2T }, lo: 1, hi: 65535,
	},
	keyDataPDUInOrder: {
		name: "DataPDUInOrder", kind: kindOr, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		flag: func(p *Params) *bool { return &p.DataPDUInOrder },
	},
	keyDataSequenceInOrder: {
		name: "DataSequenceInOrder", kind: kindOr, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		flag: func(p *Params) *bool { return &p.DataSequenceInOrder },
	},
	keyErrorRecoveryLevel: {
		name: "ErrorRecoveryLevel", kind: kindMin, phases: phaseLogin, leadingOnly: true,
		number: func(p *Params) *int { return &p.ErrorRecoveryLevel }, lo: 0, hi: 2,
	},
	keyTaskReporting: {
		name: "TaskReporting", kind: kindList, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		flag: func(p *Params) *bool { return &p.ResponseFence },
	},
	keyProtocolLevel: {
		name: "iSCSIProtocolLevel", kind: kindMin, phases: phaseLogin, leadingOnly: true, noDiscovery: true,
		number: func(p *Params) *int { return &p.ProtocolLevel }, lo: 0, hi: 31,
	},

	// RFC 7143 13.25 obsoletes markers. It allows Reject or No for the first two, and No
	// is what initiators of RFC 3720 know.
	keyIFMarker:  {name: "IFMarker", kind: kindNo, phases: phaseLogin},
	keyOFMarker:  {name: "OFMarker", kind: kindNo, phases: phaseLogin},
	keyIFMarkInt: {name: "IFMarkInt", kind: kindReject, phases: phaseLogin},
	keyOFMarkInt: {name: "OFMarkInt", kind: kindReject, phases: phaseLogin},
}

// lookupKey finds a key by its name, which is case-sensitive.
func lookupKey(name string) (keyID, bool) {
	for id := range keyTable {
		if keyTable[id].name == name {
			return keyID(id), true
		}
	}
	return 0, false
}

// answer decides on the value that an initiator offers for a number or a boolean: p gets
// the result, w says what the target wants. What it returns is the answer, or "" for a
// declaration that is accepted.
func (k *keyInfo) answer(p, w *Params, value string) string {
	switch k.kind {
	case kindDeclared, kindMin, kindMax:
		return k.answerNumber(p, w, value)
	case kindAnd, kindOr:
		v, ok := parseBool(value)
		if !ok {
			return valueReject
		}
		if k.kind == kindAnd {
			v = v && *k.flag(w)
		} else {
			v = v || *k.flag(w)
		}
		*k.flag(p) = v
		return boolValue(v)
	case kindNo:
		if _, ok := parseBool(value); ok {
			return valueNo
		}
	}
	return valueReject
}

// answerNumber is answer for numbers. A number above the bounds counts as the upper bound
// where that cannot matter: the answer is admissible, as RFC 7143 6.2 wants it.
func (k *keyInfo) answerNumber(p, w *Params, value string) string {
	n, ok := parseNumber(value)
	if !ok || n < uint64(k.lo) || n > uint64(k.hi) && k.kind == kindMax {
		return valueReject
	}
	v := int(min(n, uint64(k.hi)))
	switch k.kind {
	case kindMin:
		v = min(v, *k.number(w))
	case kindMax:
		v = max(v, *k.number(w))
	}
	*k.number(p) = v
	if k.kind == kindDeclared {
		return ""
	}
	return strconv.Itoa(v)
}
