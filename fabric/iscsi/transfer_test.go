package iscsi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// pattern is n bytes that differ everywhere.
func pattern(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// eachTransport runs f over TCP and over a pipe.
func eachTransport(t *testing.T, f func(t *testing.T, pipe bool)) {
	t.Run("tcp", func(t *testing.T) { f(t, false) })
	t.Run("pipe", func(t *testing.T) { f(t, true) })
}

// writeMode is how an initiator sends the data of a write.
type writeMode struct {
	name        string
	immediate   bool // as much as allowed in the command
	unsolicited bool // the rest of the first burst without R2T
}

// sendWrite sends a write of data and everything that the target asks for, and returns
// how many R2Ts there were. It stops at the first answer to the command.
func (p *peer) sendWrite(c pdu.SCSICommand, data []byte, m writeMode) (r2ts int, answer pdu.Header, body []byte) {
	p.t.Helper()
	first, err := strconv.Atoi(p.par["FirstBurstLength"])
	if err != nil {
		first = 65536
	}
	seg, err := strconv.Atoi(p.par["MaxRecvDataSegmentLength"])
	require.NoError(p.t, err)
	first = min(first, int(c.ExpectedLen()))
	off := 0
	if m.immediate {
		off = min(first, seg)
	}
	unsol := m.unsolicited && off < first
	c.SetFinal(!unsol)
	p.send(c.Header, data[:off])
	for sn := 0; unsol && off < first; sn++ {
		n := min(seg, first-off)
		p.send(p.dataOut(c, pdu.ReservedTag, sn, int64(off), off+n == first), data[off:off+n])
		off += n
	}
	for {
		h, b, err := p.receive()
		require.NoError(p.t, err)
		require.Equal(p.t, c.ITT(), h.ITT())
		if h.Opcode() != pdu.OpR2T {
			return r2ts, h, b
		}
		require.Equal(p.t, uint32(r2ts), h.R2T().R2TSN())
		r2ts++
		p.answerR2T(c, h.R2T(), data, seg)
	}
}

// TestWriteMatrix sends writes in every way there is, with sizes around every limit.
func TestWriteMatrix(t *testing.T) {
	const seg, first, burst = 4096, 8192, 16384
	eachTransport(t, func(t *testing.T, pipe bool) {
		for _, digest := range []string{"None", "CRC32C"} {
			for _, r2t := range []int{1, 3} {
				l := newLab(t, func(s *Server) {
					s.Options.Offer = Offer{MaxRecvDataSegmentLength: seg, MaxOutstandingR2T: r2t}
				})
				p := l.login(pipe, "HeaderDigest="+digest, "DataDigest="+digest, "InitialR2T=No", "ImmediateData=Yes",
					fmt.Sprint("FirstBurstLength=", first), fmt.Sprint("MaxBurstLength=", burst), "MaxOutstandingR2T=16")
				p.writeAll(l, digest, seg, first, burst)
			}
		}
	})
}

func (p *peer) writeAll(l *lab, digest string, seg, first, burst int) {
	p.t.Helper()
	for _, m := range []writeMode{{"immediate", true, false}, {"unsolicited", false, true}, {"both", true, true}, {"solicited", false, false}} {
		for _, blocks := range []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 100} {
			what := fmt.Sprint(m.name, " ", digest, " ", blocks)
			n := blocks * 512
			data := pattern(uint64(n), n)
			c := p.writeCmd(0, blocks, blocks)
			r2ts, h, b := p.sendWrite(c, data, m)
			require.Equal(p.t, pdu.OpSCSIResponse, h.Opcode(), what)
			status, sense := p.statusOf(&h, b)
			require.Equal(p.t, scsi.StatusGood, status, "%s: %v", what, sense)
			require.True(p.t, bytes.Equal(data, l.fast.peek(blocks, n)), what)
			early := 0
			if m.immediate {
				early = min(n, seg)
			}
			if m.unsolicited {
				early = min(n, first)
			}
			require.Equal(p.t, (n-early+burst-1)/burst, r2ts, what)
		}
	}
}

// TestReadSizes reads with lengths around every limit, and checks sequences and digests.
func TestReadSizes(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		for _, digest := range []string{"None", "CRC32C"} {
			l := newLab(t)
			l.fast.poke(0, pattern(3, 4<<20))
			const seg, burst = 1536, 4096
			p := l.login(pipe, "HeaderDigest="+digest, "DataDigest="+digest,
				fmt.Sprint("MaxRecvDataSegmentLength=", seg), fmt.Sprint("MaxBurstLength=", burst))
			for _, blocks := range []int{1, 2, 3, 4, 7, 8, 9, 16, 17, 2000} {
				c := p.readCmd(0, blocks, blocks)
				p.send(c.Header, nil)
				got, h := p.readData(c, seg, burst)
				require.True(t, bytes.Equal(l.fast.peek(blocks, blocks*512), got), blocks)
				require.Equal(t, pdu.OpDataIn, h.Opcode(), "status is not in the last Data-In")
			}
		}
	})
}

// TestPipelined has many commands of all kinds under way at once.
func TestPipelined(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		close(l.slow.open)
		l.fast.poke(0, pattern(9, 1<<20))
		p := l.login(pipe, "InitialR2T=No", "MaxRecvDataSegmentLength=65536")
		p.anyStatSN = true // checked elsewhere; here other things count
		type op struct {
			c    pdu.SCSICommand
			want []byte
			got  []byte
		}
		ops := make(map[uint32]*op)
		var stream []byte
		for i := range 60 {
			lun, lba := uint64(i%2), 64*i
			if i%3 == 0 {
				c := p.writeCmd(lun, lba, 8)
				data := pattern(uint64(i), 4096)
				stream = append(stream, p.wire(c.Header, nil, data)...)
				ops[c.ITT()] = &op{c: c, want: data}
				continue
			}
			lu := []*labLU{l.fast, l.slow}[lun]
			c := p.readCmd(lun, lba, 64)
			stream = append(stream, p.wire(c.Header, nil, nil)...)
			ops[c.ITT()] = &op{c: c, want: lu.peek(lba, 32768)}
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = p.nc.Write(stream)
		}()
		for len(ops) > 0 {
			h, data, err := p.receive()
			require.NoError(t, err)
			o := ops[h.ITT()]
			require.NotNil(t, o, "%v", h.Opcode())
			switch h.Opcode() {
			case pdu.OpDataIn:
				o.got = append(o.got, data...)
				if h.DataIn().HasStatus() {
					require.True(t, bytes.Equal(o.want, o.got))
					delete(ops, h.ITT())
				}
			case pdu.OpSCSIResponse:
				status, sense := p.statusOf(&h, data)
				require.Equal(t, scsi.StatusGood, status, "%v", sense)
				require.True(t, o.c.Write())
				delete(ops, h.ITT())
			default:
				require.FailNow(t, "unexpected PDU", "%v", h.Opcode())
			}
		}
		<-sent
		for i := range 60 {
			if i%3 == 0 {
				lu := []*labLU{l.fast, l.slow}[i%2]
				require.True(t, bytes.Equal(pattern(uint64(i), 4096), lu.peek(64*i, 4096)))
			}
		}
	})
}

// TestSegmentation sends one stream in pieces of every kind of size; where the network
// cuts it must not matter.
func TestSegmentation(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		for _, digest := range []string{"None", "CRC32C"} {
			for _, size := range []int{1, 3, 47, 48, 49, 1000, 65536, 1 << 20} {
				if size < 47 && pipe {
					continue // each piece is a rendezvous
				}
				l := newLab(t)
				p := l.login(pipe, "HeaderDigest="+digest, "DataDigest="+digest, "InitialR2T=No", "FirstBurstLength=262144")
				var stream, want []byte
				rounds := 20
				if size < 47 {
					rounds = 2
				}
				for i := range rounds {
					blocks := []int{1, 8, 100, 130}[i%4]
					data := pattern(uint64(i), blocks*512)
					c := p.writeCmd(0, len(want)/512, blocks)
					cut := len(data) * (i % 3) / 2 // all, half or nothing of it unsolicited
					c.SetFinal(cut == len(data))
					stream = append(stream, p.wire(c.Header, nil, data[:cut])...)
					if cut < len(data) {
						stream = append(stream, p.wire(p.dataOut(c, pdu.ReservedTag, 0, int64(cut), true), nil, data[cut:])...)
					}
					want = append(want, data...)
				}
				go func() {
					for b := stream; len(b) > 0; b = b[min(size, len(b)):] {
						if _, err := p.nc.Write(b[:min(size, len(b))]); err != nil {
							return
						}
					}
				}()
				for range rounds {
					p.good()
				}
				require.True(t, bytes.Equal(want, l.fast.peek(0, len(want))), "%s in pieces of %d", digest, size)
			}
		}
	})
}

// TestLargeSegments writes and reads with data segments that go straight to their
// buffers.
func TestLargeSegments(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		for _, digest := range []string{"None", "CRC32C"} {
			l := newLab(t, func(s *Server) {
				s.Options.Offer = Offer{MaxRecvDataSegmentLength: 1 << 20, FirstBurstLength: 1 << 20, MaxBurstLength: 4 << 20}
			})
			p := l.login(pipe, "DataDigest="+digest, "MaxRecvDataSegmentLength=4194304", "MaxBurstLength=4194304",
				"FirstBurstLength=1048576", "InitialR2T=No", "MaxOutstandingR2T=4")
			const blocks = 6000
			data := pattern(5, blocks*512)
			for i, m := range []writeMode{{"immediate", true, false}, {"solicited", false, false}, {"unsolicited", false, true}} {
				c := p.writeCmd(0, i*64, blocks)
				_, h, b := p.sendWrite(c, data, m)
				status, sense := p.statusOf(&h, b)
				require.Equal(t, scsi.StatusGood, status, "%s: %v", m.name, sense)
				require.True(t, bytes.Equal(data, l.fast.peek(i*64, len(data))), m.name)
				c = p.readCmd(0, i*64, blocks)
				p.send(c.Header, nil)
				got, _ := p.readData(c, 4<<20, 4<<20)
				require.True(t, bytes.Equal(data, got), m.name)
			}
		}
	})
}
