package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/bench/wire"
)

// pdu returns a PDU with fields of 32 bits.
func pdu(op, flags byte, data int, fields map[int]uint32) wire.Header {
	h := wire.Header(make([]byte, wire.HeaderLen+wire.Pad(data)))
	h[0], h[1] = op, flags
	h.SetDataLen(data)
	for at, v := range fields {
		h.Put(at, v)
	}
	return h
}

// inProgress returns a connection with a command on task 0.
func inProgress(write bool) (*conn, *task) {
	c := newConn(&Config{Conns: 1, Depth: 2, Block: 4096}, 0, nil)
	c.idle = c.idle[1:]
	t := &c.tasks[0]
	t.start, t.write = 0, write
	return c, t
}

func TestReceiveRefuses(t *testing.T) {
	const tag = 1 << 16
	for _, c := range []struct {
		name  string
		write bool
		pdu   wire.Header
		want  string
	}{
		{"reject", false, pdu(wire.OpReject, wire.Final, 0, nil), "rejects"},
		{"asynchronous message of the target", false, pdu(wire.OpAsync, wire.Final, 0, map[int]uint32{36: 1 << 24}), "asynchronous"},
		{"other opcode", false, pdu(wire.OpLoginResp, 0, 0, nil), "opcode 23h"},
		{"task beyond the depth", false, pdu(wire.OpResponse, wire.Final, 0, map[int]uint32{wire.Tag: tag | 2}), "makes no sense"},
		{"idle task", false, pdu(wire.OpResponse, wire.Final, 0, map[int]uint32{wire.Tag: tag | 1}), "makes no sense"},
		{"former tag", false, pdu(wire.OpResponse, wire.Final, 0, map[int]uint32{wire.Tag: 0}), "makes no sense"},
		{"data of a write", true, pdu(wire.OpDataIn, 0, 512, map[int]uint32{wire.Tag: tag}), "0 of 4096"},
		{"wrong offset", false, pdu(wire.OpDataIn, 0, 512, map[int]uint32{wire.Tag: tag, wire.Offset: 512}), "offset 512"},
		{"too much", false, pdu(wire.OpDataIn, 0, 4100, map[int]uint32{wire.Tag: tag}), "4100 bytes"},
		{"request to a read", false, pdu(wire.OpR2T, wire.Final, 0, map[int]uint32{wire.Tag: tag, wire.Desired: 512}), "asked for"},
		{"request for nothing", true, pdu(wire.OpR2T, wire.Final, 0, map[int]uint32{wire.Tag: tag}), "asked for"},
		{"request for too much", true, pdu(wire.OpR2T, wire.Final, 0, map[int]uint32{wire.Tag: tag, wire.Offset: 1, wire.Desired: 4096}), "asked for"},
		{"request that overflows", true, pdu(wire.OpR2T, wire.Final, 0, map[int]uint32{wire.Tag: tag, wire.Offset: 1<<32 - 1, wire.Desired: 1<<32 - 1}), "asked for"},
		{"answer to no ping", false, pdu(wire.OpNopIn, wire.Final, 0, map[int]uint32{wire.Tag: 5}), "makes no sense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := inProgress(c.write)
			conn.have = copy(conn.in, c.pdu)
			require.ErrorContains(t, conn.consume(0), c.want)
		})
	}
}

func TestReceiveCounts(t *testing.T) {
	const tag = 1 << 16
	all := map[int]uint32{wire.Tag: tag, wire.StatSN: 8, wire.MaxCmd: 40}
	for _, c := range []struct {
		name   string
		write  bool
		pdus   []wire.Header
		errors uint64
	}{
		{"read", false, []wire.Header{pdu(wire.OpDataIn, wire.Final|wire.HasStatus, 4096, all)}, 0},
		{"read with a response", false, []wire.Header{pdu(wire.OpDataIn, wire.Final, 4096, all), pdu(wire.OpResponse, wire.Final, 0, all)}, 0},
		{"write", true, []wire.Header{pdu(wire.OpResponse, wire.Final, 0, all)}, 0},
		{"short read", false, []wire.Header{pdu(wire.OpDataIn, wire.Final|wire.HasStatus, 512, all)}, 1},
		{"read without data", false, []wire.Header{pdu(wire.OpResponse, wire.Final, 0, all)}, 1},
		{"underflow", true, []wire.Header{pdu(wire.OpResponse, wire.Final|wire.Underflow, 0, all)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, task := inProgress(c.write)
			for _, p := range c.pdus {
				conn.have += copy(conn.in[conn.have:], p)
			}
			rest := pdu(wire.OpNopIn, 0, 0, nil)[:20] // a part of what comes next
			conn.have += copy(conn.in[conn.have:], rest)
			require.NoError(t, conn.consume(time.Microsecond))
			require.Equal(t, 20, conn.have)
			require.EqualValues(t, rest, conn.in[:20])
			require.EqualValues(t, 1, conn.latency.total)
			require.Equal(t, c.errors, conn.errors)
			require.Equal(t, never, task.start)
			require.Len(t, conn.idle, 2)
			require.EqualValues(t, 9, conn.stat)
			require.EqualValues(t, 40, conn.maxCmd)
		})
	}
	conn, _ := inProgress(false)
	p := pdu(wire.OpDataIn, wire.Final|wire.HasStatus, 4096, all)
	p[3] = 2 // CHECK CONDITION
	conn.have = copy(conn.in, p)
	require.NoError(t, conn.consume(0))
	require.EqualValues(t, 1, conn.errors)
}

func TestNegotiated(t *testing.T) {
	c := newConn(&Config{Depth: 1, Block: 512}, 0, nil)
	require.NoError(t, c.negotiated("MaxRecvDataSegmentLength=0x10000\x00FirstBurstLength=1024\x00ImmediateData=No\x00X=y\x00"))
	require.Equal(t, params{segment: 65536, firstBurst: 1024}, c.params)
	for _, text := range []string{
		"HeaderDigest=CRC32C\x00", "DataDigest=CRC32C\x00", "FirstBurstLength=12\x00",
		"MaxRecvDataSegmentLength=99999999999\x00", "MaxRecvDataSegmentLength=-5\x00",
	} {
		require.Error(t, c.negotiated(text), text)
	}
}
