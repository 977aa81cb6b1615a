package iscsi

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// dyingLU is a disk that ends the goroutine which tells it that a command of a block is over.
type dyingLU struct{ *labLU }

func (d dyingLU) Finish(c *scsi.Command, _ scsi.Outcome) {
	if c.Blocks() > 0 {
		runtime.Goexit()
	}
}

// addDying maps a dyingLU as LUN 2.
func (l *lab) addDying(blocking bool) {
	d, err := l.eng.AddDevice("dying", dyingLU{newLabLU(blocking)}, nil)
	require.NoError(l.t, err)
	require.NoError(l.t, l.tgt.Map(2, d, nil))
}

// sendHeld sends a command that is refused, but only when the data has come that it announces.
func (p *peer) sendHeld(lun uint64) {
	c := p.writeCmd(lun, 0, 1)
	c.SetExpectedLen(100) // no whole block
	c.SetFinal(false)
	p.send(c.Header, nil)
}

// TestHandlerEndsReader: a handler that ends the reader's goroutine ends the connection, with
// everything that was in progress on it. That the lab can be closed shows it.
func TestHandlerEndsReader(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		l.addDying(false)
		l.fast.bidi = func(*scsi.Command) error { runtime.Goexit(); return nil }
		p := l.login(pipe, "InitialR2T=No")
		p.clearUA(2)
		p.sendHeld(1)
		p.send(p.writeCmd(1, 0, 1).Header, nil)
		p.r2t()
		p.send(p.readCmd(1, labStuck, 1).Header, nil)
		<-l.slow.entered
		// An answer that waits for the reader ends its goroutine once more.
		b := p.wire(p.readCmd(2, 0, 1).Header, nil, nil)
		p.sendRaw(append(b, p.wire(p.command(0, append([]byte{0xC0}, make([]byte, 15)...), true, false, 512).Header, nil, nil)...))
		p.gone()
		l.sessions(0)
		q := l.connect(pipe)
		q.login()
		q.clearUA(1)
	})
}

// TestHandlerEndsReaderAtTheEnd: nor does it matter when the connection ends anyway.
func TestHandlerEndsReaderAtTheEnd(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		for _, held := range []bool{false, true} {
			l := newLab(t)
			l.addDying(false)
			p := l.login(pipe, "InitialR2T=No")
			p.clearUA(2)
			if held {
				p.sendHeld(2)
				p.sendHeld(2)
			}
			for range 3 {
				p.send(p.writeCmd(2, 0, 1).Header, nil)
				p.r2t()
			}
			_ = p.nc.Close()
			l.sessions(0)
		}
	})
}

// TestHandlerEndsWriter: whoever sends answers, and is ended by a handler that learns of that,
// leaves the connection to others.
func TestHandlerEndsWriter(t *testing.T) {
	eachTransport(t, func(t *testing.T, pipe bool) {
		l := newLab(t)
		l.addDying(true)
		p := l.login(pipe)
		p.clearUA(1)
		p.clearUA(2)
		before := l.srv.Sessions()[0].Counters.BytesOut
		for i, lun := range []uint64{2, 1} {
			c := p.readCmd(lun, 0, 1)
			p.send(c.Header, nil)
			p.readData(c, 512, 512)
			l.counted(func(n Counters) bool { return n.BytesOut >= before+uint64(i+1)*(48+512) })
		}
	})
}

// TestPanicIsNotWaitedFor: what is done last is done after the end of the goroutine by a handler, and
// not after a panic, which may have left locks behind.
func TestPanicIsNotWaitedFor(t *testing.T) {
	did := make(chan string, 4)
	end := func(f func()) (value any) {
		over := make(chan any)
		go func() {
			defer func() { over <- recover() }()
			defer finally(func() { did <- "last" })
			f()
		}()
		return <-over
	}
	require.Nil(t, end(func() {}))
	require.Equal(t, "last", <-did)
	require.Nil(t, end(runtime.Goexit))
	require.Equal(t, "last", <-did)
	require.Equal(t, "defect", end(func() { panic("defect") }))
	require.Empty(t, did)
}
