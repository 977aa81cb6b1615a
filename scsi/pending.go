package scsi

// Defer, called once inside Exec, lets the command outlive Exec: its return value is
// then ignored, and Done ends the command instead.
func (c *Command) Defer() Pending { return Pending{c, c.st.Defer()} }

// Pending is the right to end a deferred command. Copy it freely; use it once.
type Pending struct {
	c   *Command
	gen uint64
}

// Done ends the command as the return value of Exec would. It may be called from any
// goroutine, also before Exec has returned, and does not block. A second call, or one
// on a command that has been reused, panics.
func (p Pending) Done(err error) { p.c.st.Complete(p.gen, err) }

// Command is the deferred command; it may be used until Done.
func (p Pending) Command() *Command { return p.c }
