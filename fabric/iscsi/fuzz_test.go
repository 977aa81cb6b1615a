package iscsi

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// A fuzzed conversation is a list of PDUs: the 48 bytes of each header followed by its data
// segment, as long as the header says and as there are bytes.

// nextPDU splits the first PDU from b.
func nextPDU(b []byte) (h pdu.Header, data, rest []byte) {
	n := copy(h[:], b)
	b = b[n:]
	n = min(h.DataLen(), len(b))
	h.SetDataLen(n)
	return h, b[:n], b[n:]
}

// appendLogin appends a Login Request to a conversation.
func appendLogin(dst []byte, csg, nsg pdu.Stage, transit bool, text string) []byte {
	var h pdu.Header
	q := h.InitLoginRequest()
	q.SetStages(csg, nsg, transit)
	q.SetDataLen(len(text))
	dst = append(dst, h[:]...)
	return append(dst, text...)
}

// appendText appends a Text Request to a conversation.
func appendText(dst []byte, final bool, ttt uint32, text string) []byte {
	var h pdu.Header
	q := h.InitTextRequest()
	q.SetFinal(final)
	q.SetTTT(ttt)
	q.SetDataLen(len(text))
	dst = append(dst, h[:]...)
	return append(dst, text...)
}

const fuzzNames = "InitiatorName=iqn.2026-11.com.example:i\x00TargetName=t\x00"

// checkedOwner is an owner that checks what it is asked, and when.
type checkedOwner struct {
	t               testing.TB
	terms           loginTerms
	begun, admitted int
}

func (o *checkedOwner) begin(r *loginRequest) (loginTerms, pdu.LoginStatus) {
	o.begun++
	require.Equal(o.t, 1, o.begun)
	require.NotEmpty(o.t, r.initiatorName)
	require.True(o.t, r.discovery || r.targetName != "")
	return o.terms, pdu.LoginSuccess
}

func (o *checkedOwner) admit(r *loginRequest, p *Params) (uint16, pdu.LoginStatus) {
	o.admitted++
	require.Equal(o.t, 1, o.begun, "full-feature phase without names")
	require.Equal(o.t, 1, o.admitted)
	for id := range keyTable {
		if k := &keyTable[id]; k.number != nil {
			require.GreaterOrEqual(o.t, *k.number(p), k.lo, k.name)
			require.LessOrEqual(o.t, *k.number(p), k.hi, k.name)
		}
	}
	require.LessOrEqual(o.t, p.FirstBurstLength, p.MaxBurstLength)
	require.Zero(o.t, p.ErrorRecoveryLevel)
	require.Equal(o.t, 1, p.MaxConnections)
	require.True(o.t, o.terms.offer.HeaderDigest != DigestRequired || p.HeaderDigest)
	require.True(o.t, o.terms.offer.DataDigest != DigestOff || !p.DataDigest)
	return 1, pdu.LoginSuccess
}

// FuzzLogin hands any PDUs to a login and to the text exchanges after it.
func FuzzLogin(f *testing.F) {
	f.Add(appendLogin(nil, 1, 3, true, fuzzNames), uint8(0))
	two := appendLogin(nil, 0, 1, true, fuzzNames+"AuthMethod=CHAP,None\x00")
	two = appendLogin(two, 1, 3, true, "HeaderDigest=CRC32C\x00FirstBurstLength=65536\x00MaxBurstLength=4096\x00")
	f.Add(appendText(two, true, pdu.ReservedTag, "SendTargets=All\x00"), uint8(0))
	disco := appendLogin(nil, 1, 3, true, "InitiatorName=i\x00SessionType=Discovery\x00MaxRecvDataSegmentLength=512\x00")
	disco = appendText(disco, true, pdu.ReservedTag, "SendTargets=All\x00")
	f.Add(appendText(disco, true, 1, ""), uint8(0))
	req := appendLogin(nil, 1, 3, true, fuzzNames)
	f.Add(appendLogin(req, 1, 3, true, "HeaderDigest=CRC32C\x00DataDigest=CRC32C\x00"), uint8(1))
	unknown := appendLogin(nil, 1, 3, true, fuzzNames+"MaxRecvDataSegmentLength=512\x00"+string(manyKeys(40)))
	f.Add(appendLogin(unknown, 1, 3, true, ""), uint8(2))
	f.Add([]byte{0x43}, uint8(0))
	f.Fuzz(func(t *testing.T, conversation []byte, policy uint8) {
		o := &checkedOwner{t: t, terms: loginTerms{portalGroupTag: 1, targetAlias: "alias"}}
		switch policy % 3 {
		case 1:
			o.terms.offer.HeaderDigest, o.terms.offer.DataDigest = DigestRequired, DigestRequired
		case 2:
			o.terms.offer.DataDigest = DigestOff
		}
		l := newLogin(o)
		for steps := 0; len(conversation) > 0; steps++ {
			var h pdu.Header
			var data []byte
			h, data, conversation = nextPDU(conversation)
			if !checkLoginStep(t, l, &h, data) {
				break
			}
			require.LessOrEqual(t, steps, maxLoginRequests)
		}
		if l.ended {
			_, action := l.step(&pdu.Header{}, nil, &pdu.Header{})
			require.Equal(t, loginDrop, action)
		}
		if o.admitted == 1 && l.cause() == nil {
			checkExchange(t, l, conversation)
		}
	})
}

// checkLoginStep makes one step of a login, and reports whether there may be another.
func checkLoginStep(t *testing.T, l *login, h *pdu.Header, data []byte) bool {
	stage, first := l.stage, l.requests == 0
	var resp pdu.Header
	out, action := l.step(h, data, &resp)
	r := resp.LoginResponse()
	require.LessOrEqual(t, len(l.in.held), maxTextLen)
	require.LessOrEqual(t, len(l.pairs), maxTextKeys)
	require.LessOrEqual(t, len(out)+len(l.out), 2*maxTextKeys*(maxKeyLen+16), "answers are bounded by keys")
	switch action {
	case loginDrop:
		require.True(t, first)
		require.Empty(t, out)
		require.Error(t, l.cause())
		return false
	case loginFail:
		require.Empty(t, out)
		require.NotZero(t, r.Status().Class())
		require.False(t, r.Transit())
		require.Error(t, l.cause())
		return false
	}
	require.Equal(t, pdu.OpLoginRequest, h.Opcode())
	require.Equal(t, pdu.LoginSuccess, r.Status())
	require.Equal(t, h.ITT(), r.ITT())
	require.Equal(t, h.LoginRequest().ISID(), r.ISID())
	require.LessOrEqual(t, len(out), min(maxLoginData, l.neg.params.MaxXmitDataSegmentLength))
	require.False(t, r.Transit() && r.Continue())
	require.True(t, first || r.CSG() == stage)
	if r.Transit() {
		require.True(t, h.LoginRequest().Transit())
		require.Equal(t, h.LoginRequest().NSG(), r.NSG())
		require.Greater(t, r.NSG(), r.CSG())
	}
	require.Equal(t, action == loginDone, r.Transit() && r.NSG() == pdu.StageFullFeature)
	require.Equal(t, action == loginDone, l.ended)
	return action == loginReply
}

// checkExchange hands the rest of a conversation to the text exchanges.
func checkExchange(t *testing.T, l *login, conversation []byte) {
	x := newExchange(l, listerFunc(func(name string) []discovered {
		return []discovered{{"iqn.2026-11.com.example:a", []portalAddr{{"::1", 3260, 1}}}, {"t", nil}}
	}))
	for len(conversation) > 0 {
		var h, resp pdu.Header
		var data []byte
		h, data, conversation = nextPDU(conversation)
		out, reject := x.step(&h, data, &resp)
		require.LessOrEqual(t, len(x.in.held), maxTextLen)
		if reject != pdu.RejectNone {
			require.False(t, x.open)
			require.Empty(t, out)
			continue
		}
		r := resp.TextResponse()
		require.LessOrEqual(t, len(out), x.params().MaxXmitDataSegmentLength)
		require.False(t, r.Final() && !h.Final(), "F answers F")
		require.False(t, r.Final() && r.Continue())
		require.Equal(t, r.Final(), r.TTT() == pdu.ReservedTag)
		require.Equal(t, !r.Final(), x.open)
		require.Equal(t, h.ITT(), r.ITT())
	}
}

// manyKeys is text with n keys that nobody knows.
func manyKeys(n int) []byte {
	var b []byte
	for i := range n {
		b = appendPair(b, "X-key."+string(binary.BigEndian.AppendUint16([]byte("k"), uint16(0x4141+i))), "")
	}
	return b
}
