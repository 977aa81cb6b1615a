package engine_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// TestLoserHearsOfItWhereItIs: a command whose logical unit number is another device's
// by now may be aborted by another initiator, which its initiator hears there.
func TestLoserHearsOfItWhereItIs(t *testing.T) {
	for _, fn := range []scsi.TaskFunction{scsi.LogicalUnitReset, scsi.ClearTaskSet} {
		t.Run(fn.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hooks{desc: scsi.Description{NonBlocking: true}}
				b := newBench(t, h, nil, nil)
				d, err := b.e.AddDevice("other", &hooks{desc: scsi.Description{NonBlocking: true}}, nil)
				require.NoError(t, err)
				g := b.tgt.Group("g")
				require.NoError(t, g.Map(0, b.dev, &engine.LUNOptions{}))
				require.NoError(t, g.AddInitiator("a"))
				a, other := b.login("a", nil), b.login("b", nil)
				var pending scsi.Pending
				h.exec = func(c *scsi.Command) error {
					pending = c.Defer()
					return nil
				}
				a.send(1, read1...)
				replaced := make(chan error, 1)
				go func() { replaced <- g.Replace(t.Context(), 0, d, nil) }()
				synctest.Wait()
				a.send(2, tur...)
				require.Equal(t, []string{"2 CHECK CONDITION unit attention: inquiry data has changed (6/3f/03)"}, a.take())
				other.manage(fn, 0)
				pending.Done(nil)
				require.NoError(t, <-replaced)
				synctest.Wait()
				require.Equal(t, []string{"1 silently"}, a.take())
				a.send(3, tur...)
				a.send(4, tur...)
				require.Equal(t, []string{"3 CHECK CONDITION unit attention: commands cleared by another initiator (6/2f/00)", "4 GOOD"}, a.take())
				b.close()
			})
		})
	}
}
