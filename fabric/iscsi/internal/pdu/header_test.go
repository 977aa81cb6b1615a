package pdu

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire decodes 48 bytes of hexadecimal with blanks between them.
func wire(t testing.TB, s string) *Header {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	require.NoError(t, err)
	h, ok := FromBytes(b)
	require.True(t, ok, "%d bytes", len(b))
	require.Len(t, b, HeaderLen)
	return h
}

// TestBuild compares what the setters build with bytes laid out by hand from the figures
// of RFC 7143 11.
func TestBuild(t *testing.T) {
	const (
		lun = 0x0001020304050607
		itt = 0xA0A1A2A3
		ttt = 0xB0B1B2B3
	)
	cdb := []byte{0x28, 0, 0, 0, 0, 7, 0, 0, 8, 0}
	isid := ISID{0x80, 1, 2, 3, 4, 5}
	request := func(h *Header) {
		h.SetITT(itt)
		h.Request().SetCmdSN(0xC0C1C2C3)
		h.Request().SetExpStatSN(0xD0D1D2D3)
	}
	response := func(h *Header) {
		h.SetITT(itt)
		h.Response().SetStatSN(0xC0C1C2C3)
		h.Response().SetWindow(0xD0D1D2D3, 0xE0E1E2E3)
	}
	for _, tc := range []struct {
		name  string
		build func(h *Header)
		want  string
	}{
		{"SCSI Command", func(h *Header) {
			c := h.InitSCSICommand()
			request(h)
			c.SetLUN(lun)
			c.SetRead(true)
			c.SetAttr(AttrOrdered)
			c.SetExpectedLen(4096)
			c.SetCDB(cdb)
			c.SetAHSLen(8)
			c.SetDataLen(0x010203)
		}, `01c20000 02010203 0001020304050607 a0a1a2a3 00001000 c0c1c2c3 d0d1d2d3
			28000000000700000800 000000000000`},
		{"SCSI Command, immediate write without F", func(h *Header) {
			c := h.InitSCSICommand()
			c.SetImmediate(true)
			c.SetFinal(false)
			c.SetWrite(true)
			c.SetAttr(AttrACA)
		}, `41240000 00000000 0000000000000000 00000000 00000000 00000000 00000000
			00000000000000000000000000000000`},
		{"SCSI Response", func(h *Header) {
			r := h.InitSCSIResponse()
			response(h)
			r.SetService(ResponseTargetFailure)
			r.SetStatus(2)
			r.SetSNACKTag(ttt)
			r.SetExpDataSN(3)
			r.SetUnderflow(0x11)
			r.SetBidiOverflow(0x22)
		}, `21920102 00000000 0000000000000000 a0a1a2a3 b0b1b2b3 c0c1c2c3 d0d1d2d3 e0e1e2e3
			00000003 00000022 00000011`},
		{"SCSI Response, flags of one pair exclude each other", func(h *Header) {
			r := h.InitSCSIResponse()
			r.SetUnderflow(1)
			r.SetOverflow(2)
			r.SetBidiOverflow(3)
			r.SetBidiUnderflow(4)
		}, `218c0000 00000000 0000000000000000 00000000 00000000 00000000 00000000 00000000
			00000000 00000004 00000002`},
		{"Task Management Request", func(h *Header) {
			r := h.InitTaskRequest(FuncAbortTask)
			request(h)
			r.SetLUN(lun)
			r.SetRefTag(ttt)
			r.SetRefCmdSN(5)
			r.SetExpDataSN(6)
		}, `02810000 00000000 0001020304050607 a0a1a2a3 b0b1b2b3 c0c1c2c3 d0d1d2d3 00000005 00000006
			0000000000000000`},
		{"Task Management Response", func(h *Header) {
			h.InitTaskResponse(TaskRejected)
			response(h)
		}, `2280ff00 00000000 0000000000000000 a0a1a2a3 00000000 c0c1c2c3 d0d1d2d3 e0e1e2e3
			000000000000000000000000`},
		{"Data-Out", func(h *Header) {
			d := h.InitDataOut()
			d.SetITT(itt)
			d.SetTTT(ttt)
			d.SetExpStatSN(0xD0D1D2D3)
			d.SetFinal(true)
			d.SetLUN(lun)
			d.SetDataSN(1)
			d.SetOffset(2)
			d.SetDataLen(512)
		}, `05800000 00000200 0001020304050607 a0a1a2a3 b0b1b2b3 00000000 d0d1d2d3 00000000
			00000001 00000002 00000000`},
		{"Data-In with status", func(h *Header) {
			d := h.InitDataIn()
			response(h)
			d.SetLUN(lun)
			d.SetDataSN(1)
			d.SetOffset(2)
			d.SetAck(true)
			d.SetStatus(0x08)
			d.SetUnderflow(3)
		}, `25c30008 00000000 0001020304050607 a0a1a2a3 ffffffff c0c1c2c3 d0d1d2d3 e0e1e2e3
			00000001 00000002 00000003`},
		{"R2T", func(h *Header) {
			r := h.InitR2T()
			response(h)
			r.SetLUN(lun)
			r.SetTTT(ttt)
			r.SetR2TSN(1)
			r.SetRange(2, 3)
		}, `31800000 00000000 0001020304050607 a0a1a2a3 b0b1b2b3 c0c1c2c3 d0d1d2d3 e0e1e2e3
			00000001 00000002 00000003`},
		{"Asynchronous Message", func(h *Header) {
			a := h.InitAsync(AsyncDropConnection)
			a.SetLUN(lun)
			a.SetVCode(7)
			a.SetParams(0x0102, 0x0304, 0x0506)
		}, `32800000 00000000 0001020304050607 ffffffff 00000000 00000000 00000000 00000000
			02070102 03040506 00000000`},
		{"Text Request", func(h *Header) {
			r := h.InitTextRequest()
			request(h)
			r.SetContinue(true)
		}, `04400000 00000000 0000000000000000 a0a1a2a3 ffffffff c0c1c2c3 d0d1d2d3
			00000000000000000000000000000000`},
		{"Text Response", func(h *Header) {
			r := h.InitTextResponse()
			response(h)
			r.SetFinal(false)
			r.SetContinue(true)
			r.SetTTT(ttt)
		}, `24400000 00000000 0000000000000000 a0a1a2a3 b0b1b2b3 c0c1c2c3 d0d1d2d3 e0e1e2e3
			000000000000000000000000`},
		{"Login Request", func(h *Header) {
			l := h.InitLoginRequest()
			request(h)
			l.SetStages(StageOperational, StageFullFeature, true)
			l.SetVersions(2, 1)
			l.SetISID(isid)
			l.SetTSIH(0x1234)
			l.SetCID(0x5678)
		}, `43870201 00000000 800102030405 1234 a0a1a2a3 56780000 c0c1c2c3 d0d1d2d3
			00000000000000000000000000000000`},
		{"Login Response", func(h *Header) {
			l := h.InitLoginResponse()
			response(h)
			l.SetContinue(true)
			l.SetStages(StageOperational, StageOperational, false)
			l.SetVersions(2, 1)
			l.SetISID(isid)
			l.SetTSIH(0x1234)
			l.SetStatus(LoginMissingParameter)
		}, `23450201 00000000 800102030405 1234 a0a1a2a3 00000000 c0c1c2c3 d0d1d2d3 e0e1e2e3
			02070000 0000000000000000`},
		{"Logout Request", func(h *Header) {
			l := h.InitLogoutRequest(LogoutCloseConnection)
			request(h)
			l.SetCID(0x5678)
		}, `06810000 00000000 0000000000000000 a0a1a2a3 56780000 c0c1c2c3 d0d1d2d3
			00000000000000000000000000000000`},
		{"Logout Response", func(h *Header) {
			l := h.InitLogoutResponse(LogoutNoRecovery)
			response(h)
			l.SetTimes(0x0102, 0x0304)
		}, `26800200 00000000 0000000000000000 a0a1a2a3 00000000 c0c1c2c3 d0d1d2d3 e0e1e2e3
			00000000 01020304 00000000`},
		{"SNACK", func(h *Header) {
			s := h.InitSNACK(SNACKRData)
			s.SetITT(itt)
			s.SetTTT(ttt)
			s.SetExpStatSN(0xD0D1D2D3)
			s.SetRun(1, 2)
		}, `10830000 00000000 0000000000000000 a0a1a2a3 b0b1b2b3 00000000 d0d1d2d3 0000000000000000
			00000001 00000002`},
		{"Reject", func(h *Header) {
			r := h.InitReject(RejectProtocolError)
			r.SetDataSN(9)
		}, `3f800400 00000030 0000000000000000 ffffffff 00000000 00000000 00000000 00000000
			00000009 0000000000000000`},
		{"NOP-Out", func(h *Header) {
			n := h.InitNOPOut()
			request(h)
			n.SetImmediate(true)
			n.SetLUN(lun)
		}, `40800000 00000000 0001020304050607 a0a1a2a3 ffffffff c0c1c2c3 d0d1d2d3
			00000000000000000000000000000000`},
		{"NOP-In", func(h *Header) {
			n := h.InitNOPIn()
			n.SetTTT(ttt)
			n.SetLUN(lun)
		}, `20800000 00000000 0001020304050607 ffffffff b0b1b2b3 00000000 00000000 00000000
			000000000000000000000000`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := Header{}
			for i := range h {
				h[i] = 0xEE // Init has to clear what the header held before
			}
			tc.build(&h)
			require.Equal(t, wire(t, tc.want), &h)
		})
	}
}

func TestRead(t *testing.T) {
	h := wire(t, `ffb4a5b6 0a010203 0001020304050607 a0a1a2a3 b0b1b2b3 c0c1c2c3 d0d1d2d3 e0e1e2e3
		f0f1f2f3 01020304 05060708`)
	require.Equal(t, Opcode(0x3F), h.Opcode())
	require.True(t, h.Immediate())
	require.True(t, h.Final())
	require.Equal(t, 40, h.AHSLen())
	require.Equal(t, 0x010203, h.DataLen())
	require.Equal(t, 0x010204, h.PaddedDataLen())
	require.Equal(t, 1, h.PadLen())
	require.Equal(t, HeaderLen+40+0x010204, h.WireLen(false, false))
	require.Equal(t, HeaderLen+40+0x010204+8, h.WireLen(true, true))
	require.Equal(t, uint64(0x0001020304050607), h.LUN())
	require.Equal(t, uint32(0xA0A1A2A3), h.ITT())
	require.Equal(t, uint32(0xC0C1C2C3), h.Request().CmdSN())
	require.Equal(t, uint32(0xD0D1D2D3), h.Request().ExpStatSN())
	require.Equal(t, uint32(0xC0C1C2C3), h.Response().StatSN())
	require.Equal(t, uint32(0xD0D1D2D3), h.Response().ExpCmdSN())
	require.Equal(t, uint32(0xE0E1E2E3), h.Response().MaxCmdSN())

	c := h.SCSICommand()
	require.False(t, c.Read())
	require.True(t, c.Write())
	require.Equal(t, AttrACA, c.Attr())
	require.Equal(t, uint32(0xB0B1B2B3), c.ExpectedLen())
	require.Equal(t, h[32:48], c.CDB())

	r := h.SCSIResponse()
	require.Equal(t, ServiceResponse(0xA5), r.Service())
	require.Equal(t, uint8(0xB6), r.Status())
	require.Equal(t, uint32(0xB0B1B2B3), r.SNACKTag())
	require.Equal(t, uint32(0xF0F1F2F3), r.ExpDataSN())
	n, over, under := r.Residual()
	require.Equal(t, uint32(0x05060708), n)
	require.True(t, over)
	require.False(t, under)
	n, over, under = r.BidiResidual()
	require.Equal(t, uint32(0x01020304), n)
	require.True(t, over)
	require.False(t, under)

	d := h.DataIn()
	require.False(t, d.Ack())
	require.False(t, d.HasStatus())
	require.Equal(t, uint8(0xB6), d.Status())
	require.Equal(t, uint32(0xF0F1F2F3), d.DataSN())
	require.Equal(t, uint32(0x01020304), d.Offset())
	require.Equal(t, uint32(0xB0B1B2B3), d.TTT())
	require.Equal(t, uint32(0x05060708), h.R2T().DesiredLen())
	require.Equal(t, uint32(0xF0F1F2F3), h.R2T().R2TSN())

	require.Equal(t, TaskFunction(0x34), h.TaskRequest().Function())
	require.Equal(t, uint32(0xE0E1E2E3), h.TaskRequest().RefCmdSN())
	require.Equal(t, TaskResult(0xA5), h.TaskResponse().Result())
	require.Equal(t, LogoutReason(0x34), h.LogoutRequest().Reason())
	require.Equal(t, uint16(0xB0B1), h.LogoutRequest().CID())
	require.Equal(t, LogoutResult(0xA5), h.LogoutResponse().Result())
	require.Equal(t, SNACKType(4), h.SNACK().Type())
	require.Equal(t, RejectReason(0xA5), h.Reject().Reason())
	require.Equal(t, AsyncEvent(0xF0), h.Async().Event())
	require.Equal(t, uint8(0xF1), h.Async().VCode())

	l := h.LoginRequest()
	require.True(t, l.Transit())
	require.False(t, l.Continue())
	require.Equal(t, StageOperational, l.CSG())
	require.Equal(t, StageSecurity, l.NSG())
	require.Equal(t, uint8(0xA5), l.VersionMax())
	require.Equal(t, uint8(0xB6), l.VersionMin())
	require.Equal(t, ISID{0, 1, 2, 3, 4, 5}, l.ISID())
	require.Equal(t, uint16(0x0607), l.TSIH())
	require.Equal(t, uint16(0xB0B1), l.CID())
	require.Equal(t, LoginStatus(0xF0F1), h.LoginResponse().Status())
	require.Equal(t, uint8(0xF0), h.LoginResponse().Status().Class())
	require.Equal(t, uint8(0xF1), h.LoginResponse().Status().Detail())
	w, k := h.LogoutResponse().Times()
	require.Equal(t, []uint16{0x0102, 0x0304}, []uint16{w, k})
}

func TestWireLenWithoutData(t *testing.T) {
	var h Header
	h.InitR2T()
	require.Equal(t, HeaderLen, h.WireLen(false, true), "no data, no data digest")
	require.Equal(t, HeaderLen+DigestLen, h.WireLen(true, true))
}

func TestFromBytes(t *testing.T) {
	_, ok := FromBytes(make([]byte, HeaderLen-1))
	require.False(t, ok)
	b := make([]byte, HeaderLen+1)
	h, ok := FromBytes(b)
	require.True(t, ok)
	h.Init(OpReject)
	require.Equal(t, byte(OpReject), b[0], "a view, not a copy")
}

func TestSetCDB(t *testing.T) {
	var h Header
	c := h.InitSCSICommand()
	long := make([]byte, 32)
	for i := range long {
		long[i] = byte(i + 1)
	}
	c.SetCDB(long)
	require.Equal(t, long[:CDBLen], c.CDB())
	c.SetCDB([]byte{0xAA})
	require.Equal(t, append([]byte{0xAA}, make([]byte, 15)...), c.CDB())
	require.Equal(t, CDBLen, cap(c.CDB()), "appending cannot reach beyond")
}

func TestAllocs(t *testing.T) {
	buf := make([]byte, HeaderLen)
	seg := [][]byte{make([]byte, 4096), make([]byte, 511)}
	ahs := AppendBidiReadLength(AppendExtendedCDB(nil, make([]byte, 32)), 7)
	var sink uint32
	require.Zero(t, testing.AllocsPerRun(100, func() {
		h, _ := FromBytes(buf)
		d := h.InitDataIn()
		d.SetStatus(0)
		d.SetWindow(1, 2)
		sink += d.ITT() + d.Offset()
		c := h.InitSCSICommand()
		c.SetExpectedLen(1)
		sink += uint32(CheckRequest(h)) + c.CmdSN()
		a, err := ParseAHS(ahs)
		if err != nil {
			t.Fatal(err)
		}
		sink += a.BidiReadLength + CRCVec(seg) + CRC(h[:])
		PutDigest(buf, sink)
	}))
}
