package iscsi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// maxAliasLen bounds the aliases in bytes (RFC 7143 13.6 and 13.7).
const maxAliasLen = 255

// statusError ends a login, or rejects a text request: text of an initiator that cannot be
// answered.
type statusError struct {
	status pdu.LoginStatus
	text   string
}

// Error returns the reason, for logs.
func (e *statusError) Error() string { return "iscsi: " + e.text }

func fail(status pdu.LoginStatus, format string, args ...any) error {
	return &statusError{status: status, text: fmt.Sprintf(format, args...)}
}

// failFor is fail for a reason that is an error of this package.
func failFor(status pdu.LoginStatus, what string, err error) error {
	return &statusError{status: status, text: what + ": " + strings.TrimPrefix(err.Error(), "iscsi: ")}
}

// short cuts what an initiator sent to what a log should have of it.
func short(s string) string {
	if len(s) > maxKeyLen {
		return s[:maxKeyLen] + "…"
	}
	return s
}

// keyState says what has happened to a key in a negotiation.
type keyState uint8

const (
	keyIdle    keyState = iota
	keyOffered          // the target proposed a value and waits for the answer
	keyDone             // declared, or proposed by the initiator and answered
)

// declarations are the texts that an initiator declared.
type declarations struct {
	initiatorName  string // in its normal form
	initiatorAlias string
	targetName     string // in its normal form; "" if not given
	discovery      bool
	sendTargets    string
	hasSendTargets bool
}

// negotiator is the target's side of one negotiation: a login, or a text exchange in
// full-feature phase. It reads the pairs of one text after the other and appends the answers;
// it neither sees PDUs nor does it wait for anything.
type negotiator struct {
	params Params // what has been agreed on so far
	said   declarations

	offer   Offer
	want    Params // offer, ready for use
	phase   phase
	leading bool // first connection of its session
	state   [numKeys]keyState
}

// newNegotiator returns a negotiator for a login, which starts from the default values.
func newNegotiator() negotiator {
	n := negotiator{params: defaultParams(), leading: true}
	n.setOffer(Offer{})
	return n
}

// setOffer says what the target wants from now on.
func (n *negotiator) setOffer(o Offer) {
	n.offer = o
	n.want = o.wanted()
}

// restart forgets which keys have been sent: another negotiation begins with the parameters
// of the last one (RFC 7143 6.4).
func (n *negotiator) restart() {
	n.state = [numKeys]keyState{}
	n.said.sendTargets, n.said.hasSendTargets = "", false
}

// names reads the declarations of who talks to whom: the keys that belong to the first
// request of a login and to no other. The other pairs are left to answer.
func (n *negotiator) names(pairs []pair) error {
	for _, p := range pairs {
		id, ok := lookupKey(p.key)
		if !ok || keyTable[id].phases != phaseFirst {
			continue
		}
		if n.state[id] != keyIdle {
			return fail(pdu.LoginInitiatorError, "%s is sent twice", p.key)
		}
		n.state[id] = keyDone
		if err := n.declareName(id, p.value); err != nil {
			return err
		}
	}
	return nil
}

func (n *negotiator) declareName(id keyID, value string) (err error) {
	switch id {
	case keyInitiatorName:
		if n.said.initiatorName, err = normalizeName(value); err != nil {
			return failFor(pdu.LoginInitiatorError, "InitiatorName", err)
		}
	case keyTargetName:
		if n.said.targetName, err = normalizeName(value); err != nil {
			return failFor(pdu.LoginNotFound, "TargetName", err)
		}
	case keySessionType:
		switch value {
		case "Normal":
		case "Discovery":
			n.said.discovery = true
		default:
			return fail(pdu.LoginBadSessionType, "SessionType %q", short(value))
		}
	}
	return nil
}

// answer reads the pairs of one complete text and appends what there is to be said to them.
// It fails if the negotiation cannot go on.
func (n *negotiator) answer(dst []byte, pairs []pair) (_ []byte, err error) {
	for _, late := range []bool{false, true} {
		for _, p := range pairs {
			id, ok := lookupKey(p.key)
			switch {
			case !ok && !late:
				dst = appendPair(dst, p.key, valueNotUnderstood)
			case ok && keyTable[id].late == late:
				if dst, err = n.answerKey(dst, id, p.value); err != nil {
					return dst, err
				}
			}
		}
	}
	return dst, nil
}

// answerKey reads one key that is known.
func (n *negotiator) answerKey(dst []byte, id keyID, value string) ([]byte, error) {
	k := &keyTable[id]
	switch {
	case k.phases == 0:
		return dst, fail(pdu.LoginInitiatorError, "%s is for targets to send", k.name)
	case k.phases == phaseFirst:
		if n.phase&phaseFirst != 0 {
			return dst, nil // names has read it
		}
		return dst, fail(pdu.LoginInitiatorError, "%s belongs to the first login request", k.name)
	case n.state[id] == keyOffered:
		return dst, n.answered(id, value)
	case n.state[id] == keyDone:
		return dst, fail(pdu.LoginInitiatorError, "%s is sent twice", k.name)
	case k.leadingOnly && !n.leading:
		return dst, fail(pdu.LoginInitiatorError, "%s belongs to the leading login", k.name)
	}
	n.state[id] = keyDone
	a := valueReject
	if k.phases&n.phase != 0 {
		var err error
		if a, err = n.decide(id, value); err != nil {
			return dst, err
		}
	}
	if a == "" {
		return dst, nil
	}
	return appendPair(dst, k.name, a), nil
}

// decide returns the answer to a key that has its turn, or "" if it needs none.
func (n *negotiator) decide(id keyID, value string) (string, error) {
	k := &keyTable[id]
	if k.noDiscovery && n.said.discovery {
		return valueIrrelevant, nil
	}
	switch id {
	case keyInitiatorAlias:
		if len(value) > maxAliasLen {
			return valueReject, nil
		}
		n.said.initiatorAlias = value
		return "", nil
	case keySendTargets:
		n.said.sendTargets, n.said.hasSendTargets = value, true
		return "", nil
	case keyAuthMethod:
		// None is the one method; a list without it leaves nothing to go on with
		// (RFC 7143 12).
		if choose(value, []string{valueNone}, false) == "" {
			return "", fail(pdu.LoginAuthFailure, "AuthMethod %q has no method in common", short(value))
		}
		return valueNone, nil
	case keyHeaderDigest, keyDataDigest:
		values, ranked := n.digest(id).accepts()
		v := choose(value, values, ranked)
		if v == "" {
			return valueReject, nil
		}
		*k.flag(&n.params) = v == digestCRC32C
		return v, nil
	case keyTaskReporting:
		v := choose(value, []string{"ResponseFence", "RFC3720"}, false)
		if v == "" {
			return valueReject, nil
		}
		n.params.ResponseFence = v == "ResponseFence"
		return v, nil
	case keyFirstBurstLength:
		if n.params.InitialR2T && !n.params.ImmediateData {
			return valueIrrelevant, nil // RFC 7143 13.14
		}
		w := n.want
		w.FirstBurstLength = min(w.FirstBurstLength, n.params.MaxBurstLength)
		return k.answer(&n.params, &w, value), nil
	case keyMaxRecvDataSegmentLength:
		a := k.answer(&n.params, &n.want, value)
		if a == valueReject && n.phase&phaseFull == 0 {
			// The target declares the same key: a Reject beside that could be
			// taken for either.
			return "", fail(pdu.LoginInitiatorError, "%s is %q", k.name, short(value))
		}
		return a, nil
	}
	return k.answer(&n.params, &n.want, value), nil
}

// propose appends what the target has to propose by itself: digests that it requires and
// that the initiator has not brought up.
func (n *negotiator) propose(dst []byte) []byte {
	for _, id := range []keyID{keyHeaderDigest, keyDataDigest} {
		if n.digest(id) == DigestRequired && n.state[id] == keyIdle {
			n.state[id] = keyOffered
			dst = appendPair(dst, keyTable[id].name, digestCRC32C)
		}
	}
	return dst
}

// pending reports whether the initiator owes an answer to a proposal.
func (n *negotiator) pending() bool { return slices.Contains(n.state[:], keyOffered) }

// answered takes the initiator's answer to a proposal of the target, which is always a
// digest.
func (n *negotiator) answered(id keyID, value string) error {
	if value != digestCRC32C {
		return fail(pdu.LoginInitiatorError, "%s is required, the initiator answers %q", keyTable[id].name, short(value))
	}
	n.state[id] = keyDone
	*keyTable[id].flag(&n.params) = true
	return nil
}

// complete checks that full-feature phase can begin with what has been agreed on, and fits
// the parameters to each other.
func (n *negotiator) complete() error {
	for _, id := range []keyID{keyHeaderDigest, keyDataDigest} {
		if k := &keyTable[id]; n.digest(id) == DigestRequired && !*k.flag(&n.params) {
			return fail(pdu.LoginInitiatorError, "%s is required and was not agreed on", k.name)
		}
	}
	n.params.FirstBurstLength = min(n.params.FirstBurstLength, n.params.MaxBurstLength)
	return nil
}

// digest returns the policy for a digest key.
func (n *negotiator) digest(id keyID) DigestPolicy {
	if id == keyHeaderDigest {
		return n.offer.HeaderDigest
	}
	return n.offer.DataDigest
}

// choose picks a value from a list that the initiator offers: the first that is accepted,
// or, if ranked, the first accepted that is in the list. It returns "" if there is none
// (RFC 7143 6.2.1).
func choose(list string, accept []string, ranked bool) string {
	best := len(accept)
	for v := range strings.SplitSeq(list, ",") {
		i := slices.Index(accept, v)
		if i < 0 {
			continue
		}
		if !ranked {
			return v
		}
		best = min(best, i)
	}
	if best == len(accept) {
		return ""
	}
	return accept[best]
}
