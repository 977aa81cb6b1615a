package iscsi

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// TestBidirectional sends commands with data both ways: R2T and Data-In share their
// numbers, and SCSI Response has both residual counts.
func TestBidirectional(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		// The command returns its data-out backwards, 512 bytes less than there is room for.
		l.fast.bidi = func(c *scsi.Command) error {
			out := make([]byte, c.DataOut().Len())
			_, _ = c.DataOut().ReadAt(out, 0)
			for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
				out[i], out[j] = out[j], out[i]
			}
			_, _ = c.Data().WriteAt(out, 0)
			c.SetDataIn(min(len(out), c.Data().Len()-512))
			return nil
		}
		p := l.login(pipe, "MaxRecvDataSegmentLength=4096", "MaxBurstLength=8192")
		data := pattern(1, 20480)
		want := append([]byte(nil), data...)
		for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
			want[i], want[j] = want[j], want[i]
		}
		c := p.command(0, append([]byte{0xC0}, make([]byte, 15)...), true, true, len(data))
		ahs := pdu.AppendBidiReadLength(nil, 16384)
		p.sendRaw(p.wire(c.Header, ahs, data[:4096]))
		var got []byte
		sn := uint32(0)
		for done := false; !done; {
			h, b, err := p.receive()
			require.NoError(t, err)
			switch h.Opcode() {
			case pdu.OpR2T:
				require.Equal(t, sn, h.R2T().R2TSN())
				sn++
				p.answerR2T(c, h.R2T(), data, 8192)
			case pdu.OpDataIn:
				require.Equal(t, sn, h.DataIn().DataSN())
				require.False(t, h.DataIn().HasStatus())
				require.Equal(t, len(got), int(h.DataIn().Offset()))
				sn++
				got = append(got, b...)
			case pdu.OpSCSIResponse:
				r := h.SCSIResponse()
				status, sense := p.statusOf(&h, b)
				require.Equal(t, scsi.StatusGood, status, "%v", sense)
				require.Equal(t, sn, r.ExpDataSN())
				n, over, under := r.BidiResidual()
				require.Equal(t, []any{uint32(512), false, true}, []any{n, over, under})
				n, over, under = r.Residual()
				require.Equal(t, []any{uint32(0), false, false}, []any{n, over, under})
				done = true
			}
		}
		require.True(t, bytes.Equal(want[:15872], got))
	})
}

// TestResiduals: what a command expects and what it transfers may differ (RFC 7143
// 11.4.5).
func TestResiduals(t *testing.T) {
	l := newLab(t)
	l.fast.poke(0, pattern(1, 8192))
	p := l.login(false)
	type residual struct {
		n           uint32
		over, under bool
	}
	for _, x := range []struct {
		blocks, edtl int
		want         residual
	}{
		{2, 1024, residual{}},
		{2, 4096, residual{3072, false, true}},
		{8, 1024, residual{3072, true, false}},
		{2, 700, residual{324, true, false}},
		{2, 100, residual{924, true, false}}, // short data travels inside the batch
		{2, 0, residual{1024, true, false}},
	} {
		c := p.command(0, scsi.AppendRead16(nil, 0, uint32(x.blocks)), x.edtl > 0, false, x.edtl)
		p.send(c.Header, nil)
		got, h := p.readData(c, 8192, 262144)
		require.True(t, bytes.Equal(l.fast.peek(0, min(x.edtl, x.blocks*512)), got))
		var r residual
		if h.Opcode() == pdu.OpDataIn {
			r.n, r.over, r.under = h.DataIn().Residual()
		} else {
			r.n, r.over, r.under = h.SCSIResponse().Residual()
		}
		require.Equal(t, x.want, r, "read %v", x)

		if x.edtl%512 != 0 || x.edtl == 0 {
			continue // half a block cannot be written
		}
		c = p.command(0, scsi.AppendWrite16(nil, 100, uint32(x.blocks)), false, true, x.edtl)
		p.send(c.Header, pattern(2, x.edtl))
		resp := p.good()
		r.n, r.over, r.under = resp.Residual()
		require.Equal(t, x.want, r, "write %v", x)
		n := min(x.edtl, x.blocks*512)
		require.Equal(t, pattern(2, n), l.fast.peek(100, n))
		require.Equal(t, make([]byte, 512), l.fast.peek(100+n/512, 512), "written beyond the command")
		l.fast.poke(100, make([]byte, 8192))
	}
}

// TestLongCDB sends a CDB in an additional header segment, with digests and in pieces.
func TestLongCDB(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		cdb := append([]byte{0xC0}, pattern(1, 131)...)
		l.fast.bidi = func(c *scsi.Command) error {
			if !bytes.Equal(cdb, c.CDB()) {
				return scsi.InvalidFieldInCDB
			}
			return nil
		}
		p := l.login(pipe, "HeaderDigest=CRC32C", "DataDigest=CRC32C")
		for _, cut := range []int{0, 48, 50, 100, 170} {
			c := p.command(0, cdb, false, true, 1000)
			b := p.wire(c.Header, pdu.AppendExtendedCDB(nil, cdb), make([]byte, 1000))
			p.sendRaw(b[:cut])
			p.sendRaw(b[cut:])
			p.good()
		}
	})
}
