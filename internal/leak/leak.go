package leak

import (
	"runtime"
	"time"
)

// TB is what the checks need of testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// patience bounds how long a check waits for what ends by itself. It is only spent on a leak.
var patience = 5 * time.Second

// settle calls done until it holds or patience is over, and returns its last result.
func settle(done func() bool) bool {
	for range 100 {
		if done() {
			return true
		}
		runtime.Gosched()
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return done()
		}
	}
}

// Outstander is a pool of buffers, like *sgv.Pool.
type Outstander interface {
	// Outstanding returns how many buffers are handed out.
	Outstanding() int
}

// Pool fails t if, when it ends, more buffers of p are outstanding than now.
func Pool(t TB, p Outstander) {
	t.Helper()
	before := p.Outstanding()
	t.Cleanup(func() {
		t.Helper()
		if !settle(func() bool { return p.Outstanding() <= before }) {
			t.Errorf("leak: %d buffers outstanding, %d when the test began", p.Outstanding(), before)
		}
	})
}
