package engine_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// heirs is a bench with two devices and a group in which initiator a is, the first device
// at LUN 0.
type heirs struct {
	*bench
	h     *hooks
	other *engine.Device
	g     *engine.Group
}

func newHeirs(t *testing.T) *heirs {
	x := &heirs{h: &hooks{desc: scsi.Description{NonBlocking: true}}}
	x.bench = newBench(t, x.h, nil, nil)
	var err error
	x.other, err = x.e.AddDevice("other", &hooks{desc: scsi.Description{NonBlocking: true}}, nil)
	require.NoError(t, err)
	x.g = x.tgt.Group("g")
	require.NoError(t, x.g.Map(0, x.dev, nil))
	require.NoError(t, x.g.AddInitiator("a"))
	return x
}

// hold sends a READ to the first device, which ends when the test ends it.
func (x *heirs) hold(a *port, tag uint64) (held scsi.Pending) {
	x.h.exec = func(c *scsi.Command) error {
		held = c.Defer()
		return nil
	}
	a.send(tag, read1...)
	x.h.exec = nil
	return held
}

// hear sends commands until one ends well, and returns what the others were told.
func hear(t testing.TB, p *port) (told []string) {
	for {
		p.send(1, tur...)
		line := p.take()
		require.Len(t, line, 1)
		if line[0] == "1 GOOD" {
			return told
		}
		told = append(told, line[0])
		require.Less(t, len(told), 10)
	}
}

func attention(s ...scsi.Sense) (lines []string) {
	for _, s := range s {
		lines = append(lines, "1 CHECK CONDITION "+s.Error())
	}
	return lines
}

// TestHeirTellsOfLoss: an initiator whose commands are gone hears of it although the
// logical unit number is another unit's by then, and of that once.
func TestHeirTellsOfLoss(t *testing.T) {
	replace := func(x *heirs) error { return x.g.Replace(x.t.Context(), 0, x.other, nil) }
	move := func(x *heirs) error {
		g := x.tgt.Group("h")
		return errors.Join(g.Map(0, x.other, nil), x.g.RemoveInitiator("a"), g.AddInitiator("a"))
	}
	changed := scsi.InquiryDataChanged
	for name, tt := range map[string]struct {
		before func(x *heirs, a, b *port)
		want   []scsi.Sense
	}{
		"nothing":          {func(*heirs, *port, *port) {}, []scsi.Sense{changed}},
		"commands cleared": {func(_ *heirs, _, b *port) { b.manage(scsi.ClearTaskSet, 0) }, []scsi.Sense{scsi.CommandsCleared, changed}},
		"reset":            {func(_ *heirs, _, b *port) { b.manage(scsi.LogicalUnitReset, 0) }, []scsi.Sense{scsi.DeviceReset, changed}},
		"target reset":     {func(_ *heirs, _, b *port) { b.manage(scsi.TargetReset, 0) }, []scsi.Sense{scsi.PowerOnOccurred, changed}},
		"nexus loss":       {func(_ *heirs, a, _ *port) { a.manage(scsi.NexusReset, 0) }, []scsi.Sense{scsi.NexusLoss, changed}},
		"what the old unit had to tell of itself": {func(x *heirs, _, b *port) {
			x.dev.Raise(scsi.CapacityChanged)
			b.manage(scsi.ClearTaskSet, 0)
			x.dev.Raise(scsi.ParametersChanged)
			x.dev.Raise(changed)
		}, []scsi.Sense{scsi.CommandsCleared, changed}},
	} {
		for how, replace := range map[string]func(*heirs) error{"replaced": replace, "moved": move} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newHeirs(t)
					a, b := x.login("a", nil), x.login("b", nil)
					held := x.hold(a, 7)
					tt.before(x, a, b)
					held.Done(nil)
					synctest.Wait()
					a.take()
					require.NoError(t, replace(x))
					want := attention(tt.want...)
					if how == "moved" {
						want = append(want, attention(scsi.ReportedLUNsChanged)...)
					}
					require.Equal(t, want, hear(t, a))
					x.close()
				})
			})
		}
	}
}

// TestHeirOfHeir: what nobody was told goes from heir to heir, and comes back to the last one
// when it could not be told.
func TestHeirOfHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHeirs(t)
		a, b := x.login("a", nil), x.login("b", nil)
		held := x.hold(a, 7)
		b.manage(scsi.ClearTaskSet, 0)
		held.Done(nil)
		synctest.Wait()
		require.Equal(t, []string{"7 silently"}, a.take())

		// A command takes the condition, and is not sent until there are two other units.
		var untold *scsi.Command
		a.hold, a.respond = true, func(c *scsi.Command) { untold = c }
		a.send(1, tur...)
		require.Equal(t, attention(scsi.CommandsCleared), a.take())
		a.hold, a.respond = false, nil
		replaced := make(chan error, 2)
		for _, d := range []*engine.Device{x.other, x.dev} {
			go func() { replaced <- x.g.Replace(t.Context(), 0, d, nil) }()
			synctest.Wait()
		}
		untold.ResponseSent(errors.New("lost"))
		require.NoError(t, <-replaced)
		require.NoError(t, <-replaced)
		require.Equal(t, attention(scsi.CommandsCleared, scsi.InquiryDataChanged), hear(t, a))
		x.close()
	})
}

// TestHeirOfNumber: commands of a unit that was taken away, and whose number is another
// one's, are cleared when that one has nothing to tell any more.
func TestHeirOfNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHeirs(t)
		a, b := x.login("a", nil), x.login("b", nil)
		held := x.hold(a, 7)
		unmapped := make(chan error, 1)
		go func() { unmapped <- x.g.Unmap(t.Context(), 0) }()
		synctest.Wait()
		require.NoError(t, x.g.Map(0, x.other, nil))
		hear(t, a)
		b.manage(scsi.ClearTaskSet, 0)
		held.Done(nil)
		require.NoError(t, <-unmapped)
		synctest.Wait()
		require.Equal(t, []string{"7 silently"}, a.take())
		require.Equal(t, attention(scsi.CommandsCleared), hear(t, a))
		x.close()
	})
}

// TestHeirInBetween lets the change of a unit and the end of its commands meet: the
// initiator hears of both once.
func TestHeirInBetween(t *testing.T) {
	x := newHeirs(t)
	a, b := x.login("a", nil), x.login("b", nil)
	for range 300 {
		held := x.hold(a, 7)
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = x.g.Replace(t.Context(), 0, x.other, nil) })
		wg.Go(func() {
			b.manage(scsi.ClearTaskSet, 0)
			held.Done(nil)
		})
		wg.Wait()
		require.NoError(t, err)
		require.Equal(t, []string{"7 silently"}, a.take())
		require.ElementsMatch(t, attention(scsi.CommandsCleared, scsi.InquiryDataChanged), hear(t, a))
		require.NoError(t, x.g.Replace(t.Context(), 0, x.dev, nil))
		hear(t, a)
	}
	x.close()
}
