package pdu

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckRequest(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(h *Header)
		want  RejectReason
	}{
		{"command without data", func(h *Header) { h.InitSCSICommand() }, RejectNone},
		{"command with AHS", func(h *Header) { h.InitSCSICommand().SetAHSLen(8) }, RejectNone},
		{"reserved attribute is not a matter of format", func(h *Header) {
			h.InitSCSICommand().SetAttr(7)
		}, RejectNone},
		{"unsolicited data announced by a read", func(h *Header) {
			c := h.InitSCSICommand()
			c.SetRead(true)
			c.SetFinal(false)
		}, RejectInvalidField},
		{"unsolicited data announced by a write", func(h *Header) {
			c := h.InitSCSICommand()
			c.SetWrite(true)
			c.SetFinal(false)
		}, RejectNone},
		{"length without direction", func(h *Header) { h.InitSCSICommand().SetExpectedLen(1) }, RejectInvalidField},
		{"length with direction", func(h *Header) {
			c := h.InitSCSICommand()
			c.SetRead(true)
			c.SetExpectedLen(1)
		}, RejectNone},
		{"direction without length", func(h *Header) { h.InitSCSICommand().SetRead(true) }, RejectNone},
		{"NOP-Out", func(h *Header) { h.InitNOPOut().SetDataLen(8) }, RejectNone},
		{"NOP-Out without F", func(h *Header) { h.Init(OpNOPOut) }, RejectProtocolError},
		{"NOP-Out with AHS", func(h *Header) { h.InitNOPOut().SetAHSLen(4) }, RejectInvalidField},
		{"task management", func(h *Header) { h.InitTaskRequest(FuncLUNReset) }, RejectNone},
		{"task management with data", func(h *Header) {
			h.InitTaskRequest(FuncLUNReset).SetDataLen(1)
		}, RejectInvalidField},
		{"task management without F", func(h *Header) { h.Init(OpTaskRequest) }, RejectProtocolError},
		{"logout", func(h *Header) { h.InitLogoutRequest(0) }, RejectNone},
		{"logout with data", func(h *Header) { h.InitLogoutRequest(0).SetDataLen(1) }, RejectInvalidField},
		{"SNACK", func(h *Header) { h.InitSNACK(0) }, RejectNone},
		{"text", func(h *Header) { h.InitTextRequest().SetFinal(true) }, RejectNone},
		{"text with F and C", func(h *Header) {
			r := h.InitTextRequest()
			r.SetFinal(true)
			r.SetContinue(true)
		}, RejectInvalidField},
		{"login", func(h *Header) { h.InitLoginRequest() }, RejectNone},
		{"login with T and C", func(h *Header) {
			l := h.InitLoginRequest()
			l.SetStages(0, 1, true)
			l.SetContinue(true)
		}, RejectInvalidField},
		{"login not immediate", func(h *Header) { h.InitLoginRequest().SetImmediate(false) }, RejectNone},
		{"Data-Out", func(h *Header) { h.InitDataOut() }, RejectNone},
		{"Data-Out with AHS", func(h *Header) { h.InitDataOut().SetAHSLen(4) }, RejectInvalidField},
		{"Data-In", func(h *Header) { h.InitDataIn() }, RejectNotSupported},
		{"unknown", func(h *Header) { h.Init(0x07) }, RejectNotSupported},
		{"vendor", func(h *Header) { h.Init(0x1C) }, RejectNotSupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h Header
			tc.build(&h)
			require.Equal(t, tc.want, CheckRequest(&h))
		})
	}
}

func TestOpcodeSides(t *testing.T) {
	for o := Opcode(0); o < 64; o++ {
		named := !strings.HasPrefix(o.String(), "opcode 0x")
		require.Equal(t, named, o.FromInitiator() || o.FromTarget(), o)
		require.False(t, o.FromInitiator() && o >= 0x20, o)
		require.False(t, o.FromTarget() && o < 0x20, o)
	}
}

// TestNames counts the codes of each kind that have a name, all of them different.
func TestNames(t *testing.T) {
	for kind, tc := range map[string]struct {
		name  func(v int) string
		named int
	}{
		"opcode":    {func(v int) string { return Opcode(v).String() }, 18},
		"attribute": {func(v int) string { return TaskAttr(v).String() }, 5},
		"response":  {func(v int) string { return ServiceResponse(v).String() }, 2},
		"function":  {func(v int) string { return TaskFunction(v).String() }, 12},
		"result":    {func(v int) string { return TaskResult(v).String() }, 9},
		"stage":     {func(v int) string { return Stage(v).String() }, 3},
		"status":    {func(v int) string { return LoginStatus(v).String() }, 18},
		"logout":    {func(v int) string { return LogoutReason(v).String() }, 3},
		"closed":    {func(v int) string { return LogoutResult(v).String() }, 4},
		"event":     {func(v int) string { return AsyncEvent(v).String() }, 7},
		"reject":    {func(v int) string { return RejectReason(v).String() }, 12},
		"snack":     {func(v int) string { return SNACKType(v).String() }, 4},
	} {
		limit := 0x100
		if kind == "status" {
			limit = 0x10000
		}
		seen := map[string]int{}
		for v := range limit {
			if s := tc.name(v); !strings.Contains(s, "0x") {
				seen[s] = v
			}
		}
		require.Len(t, seen, tc.named, kind)
	}
	require.Equal(t, "opcode 0x7", Opcode(7).String())
	require.Equal(t, "login status 0x20c", LoginStatus(0x20C).String())
}

func FuzzHeader(f *testing.F) {
	var h Header
	h.InitSCSICommand().SetRead(true)
	f.Add(h[:])
	h.InitLoginRequest().SetStages(StageSecurity, StageOperational, true)
	f.Add(h[:])
	h.InitReject(RejectProtocolError)
	f.Add(h[:])
	f.Add(make([]byte, 47))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := FromBytes(b)
		require.Equal(t, len(b) >= HeaderLen, ok)
		if !ok {
			return
		}
		before := *h
		if r := CheckRequest(h); r != RejectNone {
			require.NotContains(t, r.String(), "0x")
		}
		n := h.WireLen(true, true)
		require.Zero(t, n%4)
		require.LessOrEqual(t, n, HeaderLen+MaxAHSLen+MaxDataLen+1+2*DigestLen)
		_ = h.Opcode().String() + h.TaskRequest().Function().String() + h.LoginRequest().CSG().String() +
			h.LoginResponse().Status().String() + h.SNACK().Type().String() + h.Async().Event().String()

		// Writing what was read changes nothing.
		h.SetAHSLen(h.AHSLen())
		h.SetDataLen(h.DataLen())
		h.SetImmediate(h.Immediate())
		h.SetFinal(h.Final())
		h.SetLUN(h.LUN())
		h.SetITT(h.ITT())
		h.Request().SetCmdSN(h.Request().CmdSN())
		h.Response().SetWindow(h.Response().ExpCmdSN(), h.Response().MaxCmdSN())
		c := h.SCSICommand()
		c.SetAttr(c.Attr())
		c.SetCDB(append([]byte(nil), c.CDB()...))
		l := h.LoginRequest()
		l.SetISID(l.ISID())
		l.SetTSIH(l.TSIH())
		l.SetCID(l.CID())
		h.R2T().SetRange(h.R2T().Offset(), h.R2T().DesiredLen())
		require.Equal(t, before, *h)
	})
}
