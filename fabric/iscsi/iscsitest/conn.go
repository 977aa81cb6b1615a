package iscsitest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// conn is a connection and what was negotiated for it.
type conn struct {
	nc net.Conn
	br *bufio.Reader

	hd, dd     bool // digests are in use
	immediate  bool // ImmediateData
	maxXmit    int  // the target's MaxRecvDataSegmentLength
	maxBurst   int
	firstBurst int
	loginMaxSN uint32

	expStatSN atomic.Uint32

	wmu sync.Mutex // one writer at a time
}

// maxRecv is the MaxRecvDataSegmentLength of the initiator, in bytes.
const maxRecv = 256 << 10

// open connects and logs in.
func (c *conn) open(ctx context.Context, address string, opts *Options, keys []string) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	c.nc, c.br = nc, bufio.NewReaderSize(nc, 64<<10)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	if err := c.login(opts, keys); err != nil {
		_ = nc.Close() // the login's error counts
		return fmt.Errorf("iscsitest: login at %s: %w", address, err)
	}
	return nil
}

// login offers the keys and takes the answers.
func (c *conn) login(opts *Options, keys []string) error {
	name := opts.Name
	if name == "" {
		name = DefaultName
	}
	offer := map[string]string{
		"HeaderDigest": digest(opts.HeaderDigest), "DataDigest": digest(opts.DataDigest),
		"MaxRecvDataSegmentLength": strconv.Itoa(maxRecv), "MaxOutstandingR2T": "1",
		"ImmediateData": "Yes", "InitialR2T": "Yes", "MaxBurstLength": "262144", "FirstBurstLength": "65536",
	}
	order := []string{"HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength", "MaxOutstandingR2T",
		"ImmediateData", "InitialR2T", "MaxBurstLength", "FirstBurstLength"}
	for _, k := range opts.Keys {
		k, v, _ := strings.Cut(k, "=")
		if _, ok := offer[k]; !ok {
			order = append(order, k)
		}
		offer[k] = v
	}
	keys = append([]string{"InitiatorName=" + name}, keys...)
	for _, k := range order {
		keys = append(keys, k+"="+offer[k])
	}
	h := new(pdu.Header)
	l := h.InitLoginRequest()
	l.SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
	l.SetISID(pdu.ISID{0x80, 1, 2, 3, 4, 5})
	l.SetITT(1)
	l.SetCmdSN(1)
	if err := c.send(h, []byte(strings.Join(keys, "\x00")+"\x00")); err != nil {
		return err
	}
	h, data, err := c.read()
	if err != nil {
		return err
	}
	if h.Opcode() != pdu.OpLoginResponse {
		return fmt.Errorf("%v instead of a Login Response", h.Opcode())
	}
	r := h.LoginResponse()
	if r.Status() != pdu.LoginSuccess {
		return fmt.Errorf("refused: %v", r.Status())
	}
	if !r.Transit() || r.NSG() != pdu.StageFullFeature {
		return fmt.Errorf("the target wants more stages")
	}
	c.loginMaxSN = r.MaxCmdSN()
	return c.agree(offer, data)
}

func digest(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}

// agree takes what the target answered.
func (c *conn) agree(offer map[string]string, data []byte) error {
	answer := map[string]string{"MaxRecvDataSegmentLength": "8192"} // the default (RFC 7143 13.12)
	for _, kv := range strings.Split(string(data), "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			answer[k] = v
		}
	}
	number := func(key string) int {
		v, ok := answer[key]
		if !ok {
			v = offer[key]
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return 512
		}
		return n
	}
	c.maxXmit = number("MaxRecvDataSegmentLength")
	c.maxBurst = number("MaxBurstLength")
	c.firstBurst = number("FirstBurstLength")
	c.immediate = offer["ImmediateData"] == "Yes" && answer["ImmediateData"] != "No"
	for _, k := range []string{"HeaderDigest", "DataDigest"} {
		if got := answer[k]; got != "" && got != offer[k] {
			return fmt.Errorf("%s=%s, wanted %s", k, got, offer[k])
		}
	}
	c.hd, c.dd = offer["HeaderDigest"] == "CRC32C", offer["DataDigest"] == "CRC32C"
	return nil
}

// send writes one PDU.
func (c *conn) send(h *pdu.Header, data []byte) error {
	h.SetDataLen(len(data))
	b := make([]byte, 0, pdu.HeaderLen+len(data)+3*pdu.DigestLen)
	b = append(b, h[:]...)
	if c.hd {
		b = pdu.AppendDigest(b, pdu.CRC(b))
	}
	at := len(b)
	b = append(b, data...)
	b = append(b, make([]byte, pdu.Pad(len(data)))...)
	if c.dd && len(data) > 0 {
		b = pdu.AppendDigest(b, pdu.CRC(b[at:]))
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, err := c.nc.Write(b)
	return err
}

// read reads one PDU and checks its digests, its length and its StatSN.
func (c *conn) read() (*pdu.Header, []byte, error) {
	h := new(pdu.Header)
	if _, err := io.ReadFull(c.br, h[:]); err != nil {
		return nil, nil, err
	}
	if h.DataLen() > maxRecv || h.AHSLen() > 0 {
		return nil, nil, fmt.Errorf("iscsitest: %v with %d bytes of data, %d of additional header", h.Opcode(), h.DataLen(), h.AHSLen())
	}
	b := make([]byte, h.WireLen(c.hd, c.dd)-pdu.HeaderLen)
	if _, err := io.ReadFull(c.br, b); err != nil {
		return nil, nil, err
	}
	if c.hd {
		if pdu.CRC(h[:]) != pdu.Digest(b) {
			return nil, nil, fmt.Errorf("iscsitest: header digest of %v is wrong", h.Opcode())
		}
		b = b[pdu.DigestLen:]
	}
	if c.dd && h.DataLen() > 0 {
		if n := h.PaddedDataLen(); pdu.CRC(b[:n]) != pdu.Digest(b[n:]) {
			return nil, nil, fmt.Errorf("iscsitest: data digest of %v is wrong", h.Opcode())
		}
	}
	return h, b[:h.DataLen()], c.follow(h)
}

// follow checks the status sequence (RFC 7143 4.2.2.2).
func (c *conn) follow(h *pdu.Header) error {
	counts := true // the PDU takes a number
	switch h.Opcode() {
	case pdu.OpLoginResponse:
		c.expStatSN.Store(h.Response().StatSN())
	case pdu.OpDataIn:
		if counts = h.DataIn().HasStatus(); !counts {
			return nil
		}
	case pdu.OpNOPIn:
		counts = h.ITT() != pdu.ReservedTag
	case pdu.OpR2T:
		counts = false
	}
	want := c.expStatSN.Load()
	if got := h.Response().StatSN(); got != want {
		return fmt.Errorf("iscsitest: StatSN of %v is %d, not %d", h.Opcode(), got, want)
	}
	if counts {
		c.expStatSN.Store(want + 1)
	}
	return nil
}
