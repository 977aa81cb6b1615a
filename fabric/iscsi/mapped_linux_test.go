package iscsi

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/internal/invariant"
	"github.com/goscst/goscst/scsi"
)

// mappedLU is a disk in a file, which it lends as a mapping where it may. The file may be cut
// before what is lent is sent.
type mappedLU struct {
	f    *os.File
	mem  []byte // nobody but the system may read it
	lent atomic.Int64
	out  atomic.Int64 // what has not been given back
	back func()
	segs sync.Pool // of *[2][]byte
	cut  atomic.Bool
}

const mappedBlocks = 4096

func (d *mappedLU) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: true, Control: scsi.Control{QueueAlg: 1}}, nil
}

func (d *mappedLU) Exec(c *scsi.Command) error {
	if c.Op().Op != scsi.OpRead16 || c.Data() == nil {
		return nil
	}
	off, n := int(c.LBA())*512, c.Data().Len()
	two := d.segs.Get().(*[2][]byte) // two pieces, as at the end of a window
	defer d.segs.Put(two)
	half := n / 1024 * 512
	two[0], two[1] = d.mem[off:off+half:off+half], d.mem[off+half:off+n:off+n]
	d.out.Add(1)
	if c.LendMapped(two[:], d.back) == nil {
		d.lent.Add(1)
		if d.cut.Load() {
			return d.f.Truncate(0)
		}
		return nil
	}
	d.out.Add(-1)
	for _, s := range c.Data().Segs() {
		if _, err := d.f.ReadAt(s, int64(off)); err != nil {
			return scsi.MediumReadError
		}
		off += len(s)
	}
	return nil
}

// newMapped adds a file full of data as LUN 2.
func newMapped(t *testing.T, l *lab) (*mappedLU, []byte) {
	d := &mappedLU{}
	d.back = func() { d.out.Add(-1) }
	d.segs.New = func() any { return new([2][]byte) }
	var err error
	d.f, err = os.Create(filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	data := pattern(11, mappedBlocks*512)
	_, err = d.f.Write(data)
	require.NoError(t, err)
	d.mem, err = unix.Mmap(int(d.f.Fd()), 0, len(data), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	dev, err := l.eng.AddDevice("file", d, nil)
	require.NoError(t, err)
	require.NoError(t, l.tgt.Map(2, dev, nil))
	t.Cleanup(func() {
		require.NoError(t, l.srv.Close())
		require.NoError(t, l.eng.Close())
		require.Zero(t, d.out.Load(), "memory that was lent and not given back")
		require.NoError(t, unix.Munmap(d.mem))
		require.NoError(t, d.f.Close())
	})
	return d, data
}

// sendAmong sends a command behind others that want no answer, so that it does not come alone.
func (p *peer) sendAmong(h *pdu.Header) {
	p.t.Helper()
	var all []byte
	for range 5 {
		var ping pdu.Header
		ping.InitNOPOut().SetITT(pdu.ReservedTag)
		all = append(all, p.wire(&ping, nil, nil)...)
	}
	p.sendRaw(append(all, p.wire(h, nil, nil)...))
}

// TestLoneReadsAreCopied: a short READ that comes by itself is not worth a mapping.
func TestLoneReadsAreCopied(t *testing.T) {
	l := newLab(t)
	m, data := newMapped(t, l)
	p := l.login(false)
	p.clearUA(2)
	for _, blocks := range []int{1, loneRead / 512, loneRead/512 + 1} {
		asleep := func() bool { return l.srv.asleep.Load() == 1 }
		require.Eventually(t, asleep, patience, time.Millisecond, "the reader does not sleep")
		c := p.readCmd(2, 8, blocks)
		p.send(c.Header, nil)
		got, _ := p.readData(c, 8192, 262144)
		require.True(t, bytes.Equal(data[8*512:][:blocks*512], got))
		lent := int64(0)
		if blocks*512 > loneRead {
			lent = 1
		}
		require.EqualValues(t, lent, m.lent.Load(), blocks)
	}
}

// TestMappedReads reads from a mapping in PDUs of any length, with all that the initiator may
// expect of a READ.
func TestMappedReads(t *testing.T) {
	l := newLab(t)
	m, data := newMapped(t, l)
	for i, tt := range []struct{ seg, burst int }{{512, 512}, {513, 1000}, {600, 1700}, {4096, 8192}, {262144, 1 << 20}} {
		p := l.connect(false)
		p.isid[5] = byte(i)
		p.login("HeaderDigest=CRC32C,None", fmt.Sprint("MaxRecvDataSegmentLength=", tt.seg), fmt.Sprint("MaxBurstLength=", tt.burst))
		p.clearUA(2)
		for _, blocks := range []int{1, 3, 9, 1000} {
			for _, expected := range []int{blocks * 512, blocks*512 + 100, blocks*512 - 3, 100, 129, 0} {
				before := m.lent.Load()
				c := p.readCmd(2, 7, blocks)
				c.SetExpectedLen(uint32(expected))
				p.sendAmong(c.Header)
				got, _ := p.readData(c, tt.seg, tt.burst)
				want := data[7*512:][:min(expected, blocks*512)]
				require.True(t, bytes.Equal(want, got), "%d blocks, %d bytes expected", blocks, expected)
				if expected > 0 {
					require.Equal(t, before+1, m.lent.Load(), "it was not lent")
				}
			}
		}
	}
}

// TestWhatIsNotLentMapped: memory that may not be touched does not go to a connection that
// has to, for a digest or for want of a descriptor, and not to a task that others wait for.
func TestWhatIsNotLentMapped(t *testing.T) {
	l := newLab(t)
	m, data := newMapped(t, l)
	read := func(p *peer, attr pdu.TaskAttr) {
		c := p.readCmd(2, 8, 64)
		c.SetAttr(attr)
		p.send(c.Header, nil)
		got, _ := p.readData(c, 8192, 262144)
		require.True(t, bytes.Equal(data[8*512:][:64*512], got))
	}
	for _, pipe := range []bool{true, false} {
		digest := "None"
		if !pipe {
			digest = "CRC32C"
		}
		p := l.login(pipe, "DataDigest="+digest)
		p.clearUA(2)
		read(p, pdu.AttrSimple)
		require.Zero(t, m.lent.Load(), "pipe: %v", pipe)
	}
	p := l.login(false)
	p.clearUA(2)
	for _, attr := range []pdu.TaskAttr{pdu.AttrOrdered, pdu.AttrHeadOfQueue} {
		read(p, attr)
		require.Zero(t, m.lent.Load())
	}
	read(p, pdu.AttrUntagged)
	require.EqualValues(t, 1, m.lent.Load())
}

// TestMappedReadsUnderWay: while mapped memory cannot be sent, because its initiator reads nothing, a
// reset of the logical unit is answered and lets the answers go on, and a session is reinstated.
// Nothing is mixed up, and everything is given back.
func TestMappedReadsUnderWay(t *testing.T) {
	l := newLab(t)
	m, data := newMapped(t, l)
	p := l.login(false, "MaxRecvDataSegmentLength=262144", "MaxBurstLength=1048576")
	require.NoError(t, p.nc.(*net.TCPConn).SetReadBuffer(64<<10))
	p.clearUA(2)
	q := l.connect(false)
	q.isid[5]++
	q.login()
	q.clearUA(2)
	const reads, blocks = 40, mappedBlocks / 2
	start := func() map[uint32]int {
		at := make(map[uint32]int)
		want := m.lent.Load() + reads
		for i := range reads {
			c := p.readCmd(2, 8*i, blocks)
			at[c.ITT()] = 8 * i
			p.send(c.Header, nil)
		}
		require.Eventually(t, func() bool { return m.lent.Load() == want }, patience, time.Millisecond)
		require.NotZero(t, m.out.Load(), "all of it has been sent")
		return at
	}
	at := start()
	q.send(q.tmf(pdu.FuncLUNReset, 2, pdu.ReservedTag, 0), nil)
	q.taskResult(pdu.TaskComplete)
	require.NotZero(t, m.out.Load())
	got := make(map[uint32][]byte)
	for done := 0; done < reads; {
		h, b := p.must(pdu.OpDataIn)
		require.Equal(t, len(got[h.ITT()]), int(h.DataIn().Offset()))
		got[h.ITT()] = append(got[h.ITT()], b...)
		if h.DataIn().HasStatus() {
			done++
		}
	}
	require.Len(t, got, reads)
	for itt, b := range got {
		require.True(t, bytes.Equal(data[at[itt]*512:][:blocks*512], b), "ITT %d", itt)
	}
	p.clearUA(2)

	start()
	r := l.connect(false)
	r.login()
	require.Zero(t, m.out.Load(), "the session that is replaced is over")
	r.clearUA(2)
}

// TestMappedFileIsCut: a READ whose data is gone when it is to be sent ends the connection,
// not the process, and is not GOOD.
func TestMappedFileIsCut(t *testing.T) {
	for _, tt := range []struct{ seg, blocks, expected int }{
		{8192, 1000, 512000}, {262144, 8, 4096}, {512, 1, 512},
		{1000, 2, 1024}, {8192, 8, 100}, {262144, 1000, 1}, // pieces so short that others are copied
	} {
		l := newLab(t)
		m, _ := newMapped(t, l)
		p := l.login(false, fmt.Sprint("MaxRecvDataSegmentLength=", tt.seg))
		p.clearUA(2)
		c := l.only()
		m.cut.Store(true)
		r := p.readCmd(2, 16, tt.blocks)
		r.SetExpectedLen(uint32(tt.expected))
		p.sendAmong(r.Header)
		p.cutOff()
		<-c.down
		require.Equal(t, errLostMemory, c.cause())
		l.sessions(0)
	}
}

// cutOff reads until the connection ends, and no status before.
func (p *peer) cutOff() {
	p.t.Helper()
	for {
		h, _, err := p.receive()
		if err != nil {
			return
		}
		require.Equal(p.t, pdu.OpDataIn, h.Opcode())
		require.False(p.t, h.DataIn().HasStatus(), "of data that is not there")
	}
}

// TestMappedReadsAllocateNothing: as from memory.
func TestMappedReadsAllocateNothing(t *testing.T) {
	if invariant.Enabled || raceEnabled {
		return // their bookkeeping allocates
	}
	l := newLab(t)
	m, _ := newMapped(t, l)
	p := l.login(false, "MaxRecvDataSegmentLength=262144")
	p.clearUA(2)
	for _, blocks := range []int{64, 512, 2048} {
		f := p.newShuttle(p.readCmd(2, 0, blocks), nil).read
		for range 100 {
			f()
		}
		before := m.lent.Load()
		require.Zero(t, testing.AllocsPerRun(200, f), "%d blocks", blocks)
		require.Equal(t, before+201, m.lent.Load())
	}
}
