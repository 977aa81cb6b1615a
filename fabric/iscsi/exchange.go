package iscsi

import (
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// maxTextData bounds, in bytes, the data segment of a Text Response, however much the
// initiator takes.
const maxTextData = 256 << 10

// exchange is the target's side of the text exchanges of a connection in full-feature phase
// (RFC 7143 6.4, 11.10), of which there is one at a time. Like login it is a step function
// without the connection. Initiators use it for SendTargets, and may declare another
// MaxRecvDataSegmentLength or alias; what belongs to the login is answered Reject.
//
//	       TTT reserved                   C, or F is 0, or there is more to send
//	idle ───────────────► text complete? ────────────────────────────────► waiting, with a TTT
//	  ▲                      │ F, all sent                                      │ same TTT
//	  └──────────────────────┴──────────────────────────────────────────────────┘
type exchange struct {
	lister targetLister
	own    string // the target of the session; "" if it is for discovery
	neg    negotiator

	open bool
	itt  uint32
	ttt  uint32

	in   textInput
	out  []byte // answers that are left to send
	list listing
}

// newExchange returns the text exchanges of a connection whose login has ended well.
func newExchange(l *login, lister targetLister) *exchange {
	x := &exchange{lister: lister, neg: l.neg}
	x.neg.phase = phaseFull
	if !l.req.discovery {
		x.own = l.req.targetName
	}
	return x
}

// params returns what the connection runs with; step may change MaxXmitDataSegmentLength.
func (x *exchange) params() *Params { return &x.neg.params }

// step takes the Text Request h with its data segment, without padding, and fills in the
// response resp but for StatSN, ExpCmdSN and MaxCmdSN, and for DataLen, which is len(data).
// The returned data is the caller's. If it returns another reason than RejectNone, h is to be
// rejected for it, and resp is not to be sent.
func (x *exchange) step(h *pdu.Header, data []byte, resp *pdu.Header) ([]byte, pdu.RejectReason) {
	req := h.TextRequest()
	if req.Final() && req.Continue() {
		return x.reject(pdu.RejectInvalidField)
	}
	if req.TTT() == pdu.ReservedTag {
		x.start(req.ITT())
	} else if !x.open || req.TTT() != x.ttt || req.ITT() != x.itt {
		return x.reject(pdu.RejectProtocolError)
	}
	r := resp.InitTextResponse()
	r.SetITT(x.itt)
	r.SetTTT(x.ttt)
	r.SetFinal(false)

	if len(x.out) > 0 || !x.list.empty() {
		// The initiator has to hear the target out (RFC 7143 6.2).
		if len(data) > 0 || req.Continue() {
			return x.reject(pdu.RejectProtocolError)
		}
	} else {
		text, complete, err := x.in.add(data, req.Continue())
		if err != nil {
			return x.reject(pdu.RejectProtocolError)
		}
		if !complete {
			return nil, pdu.RejectNone
		}
		if err := x.answer(text); err != nil {
			return x.reject(pdu.RejectProtocolError)
		}
	}

	limit := min(x.neg.params.MaxXmitDataSegmentLength, maxTextData)
	var out []byte
	out, x.out = cutText(x.out, limit)
	if len(x.out) == 0 {
		out = x.list.next(out, limit)
	}
	switch {
	case len(x.out) > 0 || !x.list.empty():
		r.SetContinue(true)
	case req.Final():
		r.SetFinal(true)
		r.SetTTT(pdu.ReservedTag)
		x.close()
	}
	return out, pdu.RejectNone
}

// start begins an exchange and drops the one before (RFC 7143 11.10.4).
func (x *exchange) start(itt uint32) {
	x.close()
	x.neg.restart()
	x.open, x.itt = true, itt
	if x.ttt++; x.ttt == pdu.ReservedTag {
		x.ttt = 0
	}
}

// close lets go of the exchange.
func (x *exchange) close() {
	x.open = false
	x.in.reset()
	x.out, x.list = nil, listing{}
}

func (x *exchange) reject(r pdu.RejectReason) ([]byte, pdu.RejectReason) {
	x.close()
	return nil, r
}

// answer reads a complete text and prepares what there is to be said to it.
func (x *exchange) answer(text []byte) error {
	pairs, err := parsePairs(nil, text)
	if err != nil {
		return err
	}
	said := &x.neg.said
	said.hasSendTargets = false
	if x.out, err = x.neg.answer(nil, pairs); err != nil {
		return err
	}
	if said.hasSendTargets {
		x.sendTargets(said.sendTargets)
	}
	return nil
}

// sendTargets prepares the answer to SendTargets (RFC 7143 Appendix C). A name that the
// initiator may not know of gives an empty answer.
func (x *exchange) sendTargets(value string) {
	name := ""
	if value != "" && value != sendTargetsAll {
		var err error
		if name, err = normalizeName(value); err != nil {
			return
		}
	}
	switch {
	case x.own == "" && value == "":
		// There is no target that the session could mean.
		x.out = appendPair(x.out, keyTable[keySendTargets].name, valueReject)
		return
	case x.own != "" && name == "":
		name = x.own
	case x.own != "" && name != x.own:
		return
	}
	x.list.targets = x.lister.listTargets(name)
}
