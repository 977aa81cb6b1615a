package iscsi

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// TestAnswersAreFlushedTogether: who completes one of many commands leaves the answer to a flusher,
// so that those that are completed next go with it, and sends that of the last one itself.
func TestAnswersAreFlushedTogether(t *testing.T) {
	l := newLab(t)
	var mu sync.Mutex
	var pending []scsi.Pending
	parked := make(chan struct{}, 16)
	l.fast.bidi = func(c *scsi.Command) error {
		mu.Lock()
		defer mu.Unlock()
		pending = append(pending, c.Defer())
		parked <- struct{}{}
		return nil
	}
	p := l.login(false)
	c := l.only()
	var flushers atomic.Int64
	c.txq.mu.Lock()
	flush := c.tx.flush
	c.tx.flush = func() {
		flushers.Add(1)
		flush()
	}
	c.txq.mu.Unlock()
	const n = 8
	for range n {
		p.send(p.command(0, []byte{0xC0, 5: 0}, false, false, 0).Header, nil)
		<-parked
	}
	waits := func(left int) { // the reader has ended its batch, and nobody writes
		require.Eventually(t, func() bool {
			c.txq.mu.Lock()
			defer c.txq.mu.Unlock()
			return c.txq.commands == c.txq.responses+uint64(left) && !c.txq.writing
		}, patience, 100*time.Microsecond)
	}
	for i, d := range pending {
		waits(n - i)
		d.Done(nil)
		p.good()
	}
	require.EqualValues(t, n-1, flushers.Load())
}
