package task

import (
	"sync"
	"sync/atomic"
	"time"
)

// Context is a context.Context that costs nothing until somebody waits on it. The
// zero value is ready for use.
type Context struct {
	canceled atomic.Bool
	waited   atomic.Bool // Done was called
	mu       sync.Mutex
	err      error         // guarded by mu
	ch       chan struct{} // guarded by mu; made by the first Done
}

// Deadline reports that there is none.
func (c *Context) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value returns nil: a command carries no values.
func (c *Context) Value(any) any { return nil }

// Done returns a channel that is closed when the command is aborted.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.waited.Store(true)
		c.ch = make(chan struct{})
		if c.err != nil {
			close(c.ch)
		}
	}
	return c.ch
}

// Err is nil until the command is aborted.
func (c *Context) Err() error {
	if !c.canceled.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Context) cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.canceled.Store(true)
	if c.ch != nil {
		close(c.ch)
	}
}

// used reports whether somebody waits on the context, or has seen it cancelled.
func (c *Context) used() bool { return c.waited.Load() || c.canceled.Load() }
