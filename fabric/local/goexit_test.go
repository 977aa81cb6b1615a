package local_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
)

// TestHandlerEndsGoroutine: a handler that ends the goroutine of Do or Start ends the command
// nevertheless, and the initiator can be closed.
func TestHandlerEndsGoroutine(t *testing.T) {
	exec := func(c *scsi.Command) error {
		if c.Op().Op != scsi.OpTestUnitReady {
			runtime.Goexit()
		}
		return nil
	}
	t.Run("Do", func(t *testing.T) {
		i := serve(t, inline(exec))
		gone := make(chan bool)
		go func() {
			defer close(gone)
			_, _ = i.Do(context.Background(), 0, read16(0, 1), nil, make([]byte, 512))
			gone <- true
		}()
		require.False(t, <-gone)
	})
	t.Run("Start", func(t *testing.T) {
		i := serve(t, inline(exec))
		results := make(chan error, 2)
		go i.Start(&local.Command{CDB: read16(0, 1), In: make([]byte, 512)}, func(c *local.Command) {
			results <- c.Err
			i.Start(c, func(c *local.Command) { results <- c.Err })
		})
		require.ErrorIs(t, <-results, scsi.InternalTargetFailure)
		require.ErrorIs(t, <-results, scsi.LogicalUnitFailure)
	})
}
