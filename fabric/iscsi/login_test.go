package iscsi

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// TestLoginRequestFields checks what the owner learns from the headers.
func TestLoginRequestFields(t *testing.T) {
	var got loginRequest
	l := newLogin(ownerFuncs{
		onBegin: func(r *loginRequest) (loginTerms, pdu.LoginStatus) {
			got = *r
			return loginTerms{}, pdu.LoginSuccess
		},
		onAdmit: func(r *loginRequest, _ *Params) (uint16, pdu.LoginStatus) {
			require.Equal(t, got, *r)
			return 0x1234, pdu.LoginSuccess
		},
	})
	var h, resp pdu.Header
	q := h.InitLoginRequest()
	q.SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
	q.SetISID(pdu.ISID{1, 2, 3, 4, 5, 6})
	q.SetCID(7)
	q.SetITT(8)
	q.SetCmdSN(9)
	q.SetExpStatSN(10)
	out, action := l.step(&h, []byte("InitiatorName=iqn.2026-11.com.example:I\x00TargetName=T\x00"), &resp)
	require.Equal(t, loginDone, action)
	require.Equal(t, loginRequest{
		initiatorName: "iqn.2026-11.com.example:i", targetName: "t", isid: pdu.ISID{1, 2, 3, 4, 5, 6},
		cid: 7, cmdSN: 9, expStatSN: 10,
	}, got)

	r := resp.LoginResponse()
	require.Equal(t, pdu.OpLoginResponse, r.Opcode())
	require.Equal(t, uint32(8), r.ITT())
	require.Equal(t, pdu.ISID{1, 2, 3, 4, 5, 6}, r.ISID())
	require.Equal(t, uint16(0x1234), r.TSIH())
	require.Equal(t, uint8(0), r.VersionMax())
	require.Equal(t, uint8(0), r.VersionActive())
	require.Equal(t, pdu.LoginSuccess, r.Status())
	require.Equal(t, "TargetPortalGroupTag=0\x00MaxRecvDataSegmentLength=262144\x00", string(out))
	require.NoError(t, l.cause())
}

func TestLoginDataTooLong(t *testing.T) {
	l := newLogin(newRig())
	var h, resp pdu.Header
	h.InitLoginRequest()
	_, action := l.step(&h, make([]byte, maxLoginData+1), &resp)
	require.Equal(t, loginFail, action)
	require.Equal(t, pdu.LoginInitiatorError, resp.LoginResponse().Status())
	require.ErrorContains(t, l.cause(), "8193 bytes")
}

func TestCutAlias(t *testing.T) {
	require.Equal(t, "short", cutAlias("short"))
	for _, s := range []string{strings.Repeat("x", 300), strings.Repeat("ä", 200), strings.Repeat("€", 200)} {
		got := cutAlias(s)
		require.LessOrEqual(t, len(got), maxAliasLen)
		require.Greater(t, len(got), maxAliasLen-utf8.UTFMax)
		require.True(t, utf8.ValidString(got))
	}
	require.Empty(t, cutAlias(strings.Repeat("\x80", 300)), "bytes that are no text")
}

// ownerFuncs is a loginOwner made of functions.
type ownerFuncs struct {
	onBegin func(*loginRequest) (loginTerms, pdu.LoginStatus)
	onAdmit func(*loginRequest, *Params) (uint16, pdu.LoginStatus)
}

func (o ownerFuncs) begin(r *loginRequest) (loginTerms, pdu.LoginStatus) { return o.onBegin(r) }

func (o ownerFuncs) admit(r *loginRequest, p *Params) (uint16, pdu.LoginStatus) {
	return o.onAdmit(r, p)
}
