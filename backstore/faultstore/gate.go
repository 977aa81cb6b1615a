package faultstore

import (
	"context"
	"sync"
)

// gate holds operations that are stuck. The zero value is ready for use.
type gate struct {
	mu      sync.Mutex
	waiting []chan struct{} // guarded by mu; in the order of arrival
	changed chan struct{}   // guarded by mu; closed when waiting grows; nil if nobody looks
}

// wait blocks until open lets the caller go.
func (g *gate) wait() {
	ch := make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, ch)
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
	g.mu.Unlock()
	<-ch
}

// open lets the first n go, or all if n is negative, and returns how many that were.
func (g *gate) open(n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n < 0 || n > len(g.waiting) {
		n = len(g.waiting)
	}
	for _, ch := range g.waiting[:n] {
		close(ch)
	}
	g.waiting = g.waiting[n:]
	return n
}

func (g *gate) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// waitFor blocks until n are stuck at once, or ctx is done.
func (g *gate) waitFor(ctx context.Context, n int) error {
	for {
		g.mu.Lock()
		if len(g.waiting) >= n {
			g.mu.Unlock()
			return nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
