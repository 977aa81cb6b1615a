package load

import (
	"context"
	"time"
)

// calmTime is how long a process has to do nothing, or nearly so.
const calmTime = 10 * time.Millisecond

// Calm waits until a process does nothing, but no longer than limit, and not if it has ended. What
// it still does when it is measured, such as a collection of garbage after its start, or the end of
// a thousand sessions, would be taken for a cost of commands.
func Calm(ctx context.Context, pid int, limit time.Duration) {
	last, err := CPUTime(pid)
	tick := time.NewTicker(calmTime)
	defer tick.Stop()
	for n := limit / calmTime; n > 0 && err == nil; n-- {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var now time.Duration
		now, err = CPUTime(pid)
		if now-last < calmTime/10 {
			return
		}
		last = now
	}
}
