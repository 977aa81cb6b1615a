package iscsi

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// peer is an initiator that does exactly what a test says.
type peer struct {
	t          testing.TB
	nc         net.Conn
	hd, dd     bool // digests in use
	isid       pdu.ISID
	tsih       uint16
	cid        uint16
	cmdSN      uint32 // next
	expStatSN  uint32
	itt        uint32
	par        map[string]string // what the target answered at login
	anyStatSN  bool              // do not check StatSN
	anyTimeout bool              // wait for answers as long as it takes
}

// connect opens a connection that is not logged in.
func (l *lab) connect(pipe bool) *peer {
	p := &peer{t: l.t, nc: l.dial(pipe), isid: pdu.ISID{0x80, 1, 2, 3, 4, 5}, cmdSN: 100, expStatSN: 7, itt: 1000}
	l.t.Cleanup(func() { p.nc.Close() })
	return p
}

// login opens a session, whose unit attentions have been told.
func (l *lab) login(pipe bool, keys ...string) *peer {
	p := l.connect(pipe)
	p.login(keys...)
	p.clearUA(0)
	p.clearUA(1)
	return p
}

// login logs in, with the given keys beside the names.
func (p *peer) login(keys ...string) {
	p.t.Helper()
	status := p.tryLogin(append([]string{"TargetName=" + labTarget, "SessionType=Normal"}, keys...)...)
	require.Equal(p.t, pdu.LoginSuccess, status)
}

// tryLogin sends a login request for full-feature phase.
func (p *peer) tryLogin(keys ...string) pdu.LoginStatus {
	p.t.Helper()
	keys = append([]string{"InitiatorName=" + labInitiator}, keys...)
	var h pdu.Header
	r := h.InitLoginRequest()
	r.SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
	r.SetISID(p.isid)
	r.SetTSIH(p.tsih)
	r.SetCID(p.cid)
	r.SetITT(p.itt)
	r.SetCmdSN(p.cmdSN)
	r.SetExpStatSN(p.expStatSN)
	p.send(&h, []byte(strings.Join(keys, "\x00")+"\x00"))
	resp, data, err := p.receive()
	if err != nil {
		return 0xFFFF
	}
	require.Equal(p.t, pdu.OpLoginResponse, resp.Opcode())
	lr := resp.LoginResponse()
	if lr.Status() != pdu.LoginSuccess {
		return lr.Status()
	}
	require.True(p.t, lr.Transit())
	require.Equal(p.t, p.cmdSN, lr.ExpCmdSN())
	p.tsih = lr.TSIH()
	p.par = make(map[string]string)
	for _, kv := range strings.Split(string(data), "\x00") {
		k, v, _ := strings.Cut(kv, "=")
		p.par[k] = v
	}
	p.hd, p.dd = p.par["HeaderDigest"] == "CRC32C", p.par["DataDigest"] == "CRC32C"
	return pdu.LoginSuccess
}

// wire returns a PDU as it goes over the wire.
func (p *peer) wire(h *pdu.Header, ahs, data []byte) []byte {
	h.SetAHSLen(len(ahs))
	h.SetDataLen(len(data))
	b := append([]byte(nil), h[:]...)
	b = append(b, ahs...)
	if p.hd {
		b = pdu.AppendDigest(b, pdu.CRC(b))
	}
	at := len(b)
	b = append(b, data...)
	b = append(b, make([]byte, pdu.Pad(len(data)))...)
	if p.dd && len(data) > 0 {
		b = pdu.AppendDigest(b, pdu.CRC(b[at:]))
	}
	return b
}

// send sends a PDU.
func (p *peer) send(h *pdu.Header, data []byte) { p.sendRaw(p.wire(h, nil, data)) }

func (p *peer) sendRaw(b []byte) {
	p.t.Helper()
	_ = p.nc.SetWriteDeadline(time.Now().Add(patience))
	_, err := p.nc.Write(b)
	require.NoError(p.t, err)
}

// receive reads a PDU and checks its digests and, if it has one, its StatSN.
func (p *peer) receive() (h pdu.Header, data []byte, err error) {
	p.t.Helper()
	_ = p.nc.SetReadDeadline(time.Now().Add(patience))
	if p.anyTimeout {
		_ = p.nc.SetReadDeadline(time.Time{})
	}
	if _, err := io.ReadFull(p.nc, h[:]); err != nil {
		var ne net.Error
		require.False(p.t, errors.As(err, &ne) && ne.Timeout(), "nothing comes")
		return h, nil, err
	}
	n := h.WireLen(p.hd, p.dd) - pdu.HeaderLen
	b := make([]byte, n)
	_, err = io.ReadFull(p.nc, b)
	require.NoError(p.t, err)
	require.True(p.t, h.Opcode().FromTarget(), "%v", h.Opcode())
	if p.hd {
		require.Equal(p.t, pdu.CRC(h[:]), pdu.Digest(b), "header digest")
		b = b[pdu.DigestLen:]
	}
	if p.dd && h.DataLen() > 0 {
		at := h.PaddedDataLen()
		require.Equal(p.t, pdu.CRC(b[:at]), pdu.Digest(b[at:]), "data digest")
	}
	p.checkStatSN(&h)
	return h, b[:h.DataLen()], nil
}

// checkStatSN follows the status sequence (RFC 7143 4.2.2.2).
func (p *peer) checkStatSN(h *pdu.Header) {
	p.t.Helper()
	if p.anyStatSN {
		return
	}
	takes := true
	switch h.Opcode() {
	case pdu.OpDataIn:
		if takes = h.DataIn().HasStatus(); !takes {
			return
		}
	case pdu.OpNOPIn:
		takes = h.ITT() != pdu.ReservedTag
	case pdu.OpR2T:
		takes = false
	}
	require.Equal(p.t, p.expStatSN, h.Response().StatSN(), "StatSN of %v", h.Opcode())
	if takes {
		p.expStatSN++
	}
}

// must reads a PDU of a kind.
func (p *peer) must(op pdu.Opcode) (pdu.Header, []byte) {
	p.t.Helper()
	h, data, err := p.receive()
	require.NoError(p.t, err)
	require.Equal(p.t, op, h.Opcode(), "%x", h)
	return h, data
}

// gone waits for the target to close the connection.
func (p *peer) gone() {
	p.t.Helper()
	for {
		if _, _, err := p.receive(); err != nil {
			p.nc.Close()
			return
		}
	}
}

// command makes a SCSI Command in the command order.
func (p *peer) command(lun uint64, cdb []byte, read, write bool, edtl int) pdu.SCSICommand {
	var h pdu.Header
	c := h.InitSCSICommand()
	c.SetLUN(lun << 48)
	c.SetRead(read)
	c.SetWrite(write)
	c.SetAttr(pdu.AttrSimple)
	c.SetExpectedLen(uint32(edtl))
	c.SetCDB(cdb)
	c.SetITT(p.itt)
	c.SetCmdSN(p.cmdSN)
	c.SetExpStatSN(p.expStatSN)
	p.itt++
	p.cmdSN++
	return c
}

func (p *peer) readCmd(lun uint64, lba, blocks int) pdu.SCSICommand {
	return p.command(lun, scsi.AppendRead16(nil, uint64(lba), uint32(blocks)), true, false, blocks*512)
}

func (p *peer) writeCmd(lun uint64, lba, blocks int) pdu.SCSICommand {
	return p.command(lun, scsi.AppendWrite16(nil, uint64(lba), uint32(blocks)), false, true, blocks*512)
}

// clearUA sends TEST UNIT READY until it ends with GOOD.
func (p *peer) clearUA(lun uint64) {
	p.t.Helper()
	for range 4 {
		p.send(p.command(lun, make([]byte, 6), false, false, 0).Header, nil)
		if status, _ := p.status(); status == scsi.StatusGood {
			return
		}
	}
	require.FailNow(p.t, "unit attentions do not end")
}

// status reads a SCSI Response.
func (p *peer) status() (scsi.Status, scsi.Sense) {
	p.t.Helper()
	h, data := p.must(pdu.OpSCSIResponse)
	return p.statusOf(&h, data)
}

func (p *peer) statusOf(h *pdu.Header, data []byte) (scsi.Status, scsi.Sense) {
	p.t.Helper()
	r := h.SCSIResponse()
	require.Equal(p.t, pdu.ResponseCompleted, r.Service())
	if len(data) == 0 {
		return scsi.Status(r.Status()), 0
	}
	n := int(binary.BigEndian.Uint16(data))
	require.Equal(p.t, len(data), n+2)
	e, err := scsi.ParseSense(data[2:])
	require.NoError(p.t, err)
	return scsi.Status(r.Status()), e.Sense
}

// fails reads a SCSI Response with CHECK CONDITION.
func (p *peer) fails(sense scsi.Sense) {
	p.t.Helper()
	status, got := p.status()
	require.Equal(p.t, scsi.StatusCheckCondition, status)
	require.Equal(p.t, sense, got, "%v", got)
}

// good reads a SCSI Response with GOOD.
func (p *peer) good() pdu.SCSIResponse {
	p.t.Helper()
	h, data := p.must(pdu.OpSCSIResponse)
	status, sense := p.statusOf(&h, data)
	require.Equal(p.t, scsi.StatusGood, status, "%v", sense)
	return h.SCSIResponse()
}

// rejected reads a Reject of the PDU that starts with h.
func (p *peer) rejected(reason pdu.RejectReason, h *pdu.Header) {
	p.t.Helper()
	r, data := p.must(pdu.OpReject)
	require.Equal(p.t, reason, r.Reject().Reason())
	require.Equal(p.t, h[:], data)
}

// dataOut makes a Data-Out.
func (p *peer) dataOut(c pdu.SCSICommand, ttt uint32, sn int, off int64, final bool) *pdu.Header {
	h := new(pdu.Header)
	d := h.InitDataOut()
	d.SetLUN(c.LUN())
	d.SetITT(c.ITT())
	d.SetTTT(ttt)
	d.SetDataSN(uint32(sn))
	d.SetOffset(uint32(off))
	d.SetFinal(final)
	d.SetExpStatSN(p.expStatSN)
	return h
}

// answerR2T sends what an R2T asks for, in PDUs of at most seg bytes.
func (p *peer) answerR2T(c pdu.SCSICommand, r pdu.R2T, data []byte, seg int) {
	p.t.Helper()
	off, n := int(r.Offset()), int(r.DesiredLen())
	for sn := 0; n > 0; sn++ {
		k := min(n, seg)
		p.send(p.dataOut(c, r.TTT(), sn, int64(off), k == n), data[off:off+k])
		off, n = off+k, n-k
	}
}

// readData reads the Data-In of a command until its status, which may be in the last
// one, and checks everything that RFC 7143 11.7 says about their order.
func (p *peer) readData(c pdu.SCSICommand, seg, burst int) (data []byte, last pdu.Header) {
	p.t.Helper()
	inBurst := 0
	for sn := uint32(0); ; sn++ {
		h, b, err := p.receive()
		require.NoError(p.t, err)
		require.Equal(p.t, c.ITT(), h.ITT())
		if h.Opcode() == pdu.OpSCSIResponse {
			require.Zero(p.t, inBurst, "a sequence has no F")
			return data, h
		}
		require.Equal(p.t, pdu.OpDataIn, h.Opcode())
		d := h.DataIn()
		require.Equal(p.t, sn, d.DataSN())
		require.Equal(p.t, len(data), int(d.Offset()))
		require.LessOrEqual(p.t, len(b), seg)
		data = append(data, b...)
		inBurst += len(b)
		require.LessOrEqual(p.t, inBurst, burst)
		if d.Final() {
			inBurst = 0
		} else {
			require.Less(p.t, inBurst, burst, "a full sequence has no F")
		}
		if d.HasStatus() {
			require.True(p.t, d.Final())
			return data, h
		}
	}
}
