package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// TestResponsesSent: commands that end together are counted like any others, wherever they
// are, and those whose responses were lost too.
func TestResponsesSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooks{desc: scsi.Description{NonBlocking: true}}
		b := newBench(t, h, nil, nil)
		var held []*scsi.Command
		p := b.login("a", &port{hold: true, respond: func(c *scsi.Command) { held = append(held, c) }})
		h.take()
		before := p.s.Info().Traffic
		at := p.s.Now()
		require.NotZero(t, at, "although no time has passed")
		<-time.After(2 * time.Second)
		for tag := range uint64(3) {
			p.ask(scsi.Request{Tag: tag, Arrived: at}, read1...)
		}
		p.ask(scsi.Request{Tag: 3, LUN: scsi.MakeLUN(9, scsi.LUNPeripheral)}, read1...) // reaches no nexus
		require.Equal(t, 4, p.s.Info().Live)
		<-time.After(time.Second)
		p.s.ResponsesSent(held, nil)
		require.Zero(t, p.s.Info().Live)
		after := p.s.Info().Traffic
		require.Equal(t, before.Commands+4, after.Commands)
		require.Equal(t, before.Errors+1, after.Errors)
		require.Equal(t, before.BytesIn+3*512, after.BytesIn)
		l := b.dev.Stats().Latency[scsi.DirIn]
		require.Equal(t, uint64(3), l.Count())
		require.Equal(t, p.s.Now()-at, time.Duration(l.Max), "since they arrived")
		require.Equal(t, uint64(3*l.Max), l.Sum)

		// Lost ones, and a unit attention that they were to tell.
		lost := errors.New("lost")
		b.dev.Raise(scsi.ParametersChanged)
		held = nil
		p.send(4, read1...)
		p.send(5, read1...)
		h.take()
		p.take()
		p.s.ResponsesSent(held, lost)
		require.ElementsMatch(t, []string{
			"finish 4 CHECK CONDITION aborted=false delivered=lost",
			"finish 5 GOOD aborted=false delivered=lost",
		}, h.take())
		require.Equal(t, after.Errors+2, p.s.Info().Errors)
		held = nil
		p.send(6, read1...)
		require.Contains(t, p.take()[0], scsi.ParametersChanged.Error(), "it was not told")
		p.s.ResponsesSent(held, nil)
		require.Panics(t, func() { p.s.ResponsesSent(held, nil) }, "twice")
		p.s.ResponsesSent(nil, nil)
		b.close()
	})
}

// TestResponsesSentEarly: the response may have left before Respond returns, and before
// another goroutine has let go of the command.
func TestResponsesSentEarly(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	p := b.login("a", nil)
	p.hold, p.respond = true, func(c *scsi.Command) { p.s.ResponsesSent([]*scsi.Command{c}, nil) }
	for tag := range uint64(3) {
		p.send(tag, read1...)
	}
	require.Zero(t, p.s.Info().Live)
	require.Zero(t, b.e.MemoryLimit().Used())
	b.close()
}

// TestResponsesSentAtTheEnd: a nexus whose last commands end together is over then, and so
// is a session.
func TestResponsesSentAtTheEnd(t *testing.T) {
	b := newBench(t, &hooks{desc: scsi.Description{NonBlocking: true}}, nil, nil)
	require.NoError(t, b.tgt.Map(1, b.dev, nil))
	var held []*scsi.Command
	p := b.login("a", &port{hold: true, respond: func(c *scsi.Command) { held = append(held, c) }})
	for tag := range uint64(4) {
		p.ask(scsi.Request{Tag: tag, LUN: scsi.MakeLUN(uint16(tag&1), scsi.LUNPeripheral)}, read1...)
	}
	unmapped := make(chan error)
	go func() { unmapped <- b.tgt.Unmap(t.Context(), 1) }()
	p.s.Close(nil)
	p.s.ResponsesSent(held, nil)
	require.NoError(t, <-unmapped)
	require.Error(t, <-p.closed)
	b.close()
}
