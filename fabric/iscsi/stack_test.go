package iscsi_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/backstore/null"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/internal/invariant"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

const stackTarget = "iqn.2026-11.example:stack"

// stack is a whole target over a store, and one session to it whose command loops
// allocate nothing.
type stack struct {
	t     testing.TB
	nc    net.Conn
	cmdSN uint32
	reply []byte
	data  []byte
	wire  [pdu.HeaderLen]byte
}

// serve serves a disk on a store as LUN 0 of a target, until the test ends, and returns where.
func serve(t testing.TB, store backstore.Backstore) net.Addr {
	eng := engine.New(nil)
	dev, err := eng.AddDevice("disk", disk.New(store, nil), nil)
	require.NoError(t, err)
	tgt, err := eng.AddTarget(stackTarget, nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, dev, nil))
	tgt.Enable()
	srv := &iscsi.Server{Engine: eng}
	addr, err := srv.Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.NoError(t, eng.Close())
	})
	return addr
}

func newStack(t testing.TB, store backstore.Backstore) *stack {
	nc, err := net.Dial("tcp", serve(t, store).String())
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	s := &stack{t: t, nc: nc, reply: make([]byte, 1<<20), data: make([]byte, 256<<10)}
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	h := (*pdu.Header)(s.wire[:])
	r := h.InitLoginRequest()
	r.SetStages(pdu.StageOperational, pdu.StageFullFeature, true)
	text := "InitiatorName=iqn.2026-11.example:i\x00TargetName=" + stackTarget + "\x00MaxRecvDataSegmentLength=262144\x00" +
		"InitialR2T=No\x00FirstBurstLength=262144\x00MaxBurstLength=262144\x00"
	h.SetDataLen(len(text))
	s.send(append([]byte(text), make([]byte, pdu.Pad(len(text)))...))
	login := s.receive()
	require.Equal(t, pdu.LoginSuccess, login.LoginResponse().Status())
	for range 2 {
		s.cdb(0, 0, false, false, nil)
		s.receive()
	}
	return s
}

// send sends the header in wire, and data.
func (s *stack) send(data []byte) {
	_, err := s.nc.Write(s.wire[:])
	if err == nil && len(data) > 0 {
		_, err = s.nc.Write(data)
	}
	if err != nil {
		require.NoError(s.t, err)
	}
}

// receive reads a PDU.
func (s *stack) receive() *pdu.Header {
	_, err := io.ReadFull(s.nc, s.reply[:pdu.HeaderLen])
	h := (*pdu.Header)(s.reply)
	if err == nil {
		_, err = io.ReadFull(s.nc, s.reply[pdu.HeaderLen:h.WireLen(false, false)])
	}
	if err != nil {
		require.NoError(s.t, err)
	}
	return h
}

// cdb sends READ(16), WRITE(16) or TEST UNIT READY.
func (s *stack) cdb(lba uint64, blocks uint32, read, write bool, data []byte) {
	c := (*pdu.Header)(s.wire[:]).InitSCSICommand()
	c.SetRead(read)
	c.SetWrite(write)
	c.SetITT(s.cmdSN)
	c.SetCmdSN(s.cmdSN)
	s.cmdSN++
	c.SetExpectedLen(blocks * 512)
	c.SetDataLen(len(data))
	cdb := c.CDB()
	switch {
	case read:
		cdb[0] = 0x88
	case write:
		cdb[0] = 0x8A
	}
	if read || write {
		binary.BigEndian.PutUint64(cdb[2:], lba)
		binary.BigEndian.PutUint32(cdb[10:], blocks)
	}
	s.send(data)
}

// read reads blocks and checks nothing but that it worked.
func (s *stack) read(blocks uint32) {
	s.cdb(64, blocks, true, false, nil)
	for {
		h := s.receive()
		if h.Opcode() != pdu.OpDataIn {
			require.FailNow(s.t, "read failed", "%x", s.reply[:80])
		}
		if h.DataIn().HasStatus() {
			return
		}
	}
}

// write writes blocks with immediate data.
func (s *stack) write(blocks uint32) {
	s.cdb(64, blocks, false, true, s.data[:blocks*512])
	if h := s.receive(); h.Opcode() != pdu.OpSCSIResponse || h.SCSIResponse().Status() != 0 {
		require.FailNow(s.t, "write failed", "%x", s.reply[:80])
	}
}

// TestStackAllocatesNothing: a read or write in steady state allocates nothing from the
// socket to the store.
func TestStackAllocatesNothing(t *testing.T) {
	if invariant.Enabled || iscsi.RaceEnabled {
		return // their bookkeeping allocates
	}
	disk, err := file.Open(filepath.Join(t.TempDir(), "disk"), &file.Options{Create: true, Size: 64 << 20})
	require.NoError(t, err)
	stores := map[string]backstore.Backstore{"mem": mem.New(64 << 20), "null": null.New(64 << 20), "file": disk}
	for name, store := range stores {
		s := newStack(t, store)
		for _, blocks := range []uint32{8, 512} {
			for op, f := range map[string]func(uint32){"read": s.read, "write": s.write} {
				for range 200 {
					f(blocks)
				}
				n := testing.AllocsPerRun(300, func() { f(blocks) })
				require.Zero(t, n, "%s %s of %d blocks", name, op, blocks)
			}
		}
	}
}

// BenchmarkStack is one command at a time, from the socket to a store in memory.
func BenchmarkStack(b *testing.B) {
	for _, blocks := range []uint32{8, 512} {
		s := newStack(b, mem.New(64<<20))
		for op, f := range map[string]func(uint32){"read": s.read, "write": s.write} {
			b.Run(fmt.Sprintf("%s-%dKiB", op, blocks/2), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(blocks) * 512)
				for b.Loop() {
					f(blocks)
				}
			})
		}
	}
}
