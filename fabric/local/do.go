package local

import (
	"context"
	"errors"
	"slices"

	"github.com/goscst/goscst/scsi"
)

// Do sends a SIMPLE command to a logical unit and waits for its end. out is the data-out,
// in is room for data-in; the direction and the expected lengths follow from them. See
// the package comment for what the error says; Result is valid with any error.
//
// When ctx is done, the command is aborted, and Do returns when it has ended: nothing
// touches out and in afterwards, however long that takes. The error is then ctx.Err(),
// unless the command had ended by itself.
func (i *Initiator) Do(ctx context.Context, lun uint16, cdb, out, in []byte) (Result, error) {
	c := i.command()
	c.LUN, c.Attr, c.Out, c.In = lun, scsi.Simple, out, in
	c.exec(ctx, cdb)
	r, err := c.Result, c.Err
	if r.Sense != nil {
		r.Sense = slices.Clone(r.Sense)
	}
	i.recycle(c)
	return r, err
}

// Run is Do for a Command, whose Result and Err it sets. It returns Err.
func (i *Initiator) Run(ctx context.Context, c *Command) error {
	x := i.command()
	x.LUN, x.Attr, x.Out, x.In = c.LUN, c.Attr, c.Out, c.In
	x.exec(ctx, c.CDB)
	c.Tag, c.Result, c.Err = x.Tag, x.Result, x.Err
	if c.Sense != nil {
		c.Sense = c.sense[:copy(c.sense[:], c.Sense)]
	}
	i.recycle(x)
	return c.Err
}

// WaitReady sends TEST UNIT READY until it ends with GOOD, which it does at once if there
// is no unit attention condition. It returns the first other error, or that of ctx.
func (i *Initiator) WaitReady(ctx context.Context, lun uint16) error {
	var cdb [6]byte
	for range maxAttentions {
		_, err := i.Do(ctx, lun, cdb[:], nil, nil)
		if !IsUnitAttention(err) {
			return err
		}
	}
	return errAttentions
}

// maxAttentions bounds how many unit attention conditions in a row are taken: more than
// the engine queues for a nexus.
const maxAttentions = 64

// IsUnitAttention reports whether a command ended because of a unit attention condition:
// it was not executed, and the condition has been told.
func IsUnitAttention(err error) bool {
	var e *scsi.SenseError
	return err != nil && errors.As(err, &e) && e.Key() == scsi.KeyUnitAttention && !e.Deferred
}

// exec submits the command and waits for its end.
func (c *Command) exec(ctx context.Context, cdb []byte) {
	if err := ctx.Err(); err != nil {
		c.Result, c.Err = Result{Status: scsi.StatusTaskAborted}, err
		return
	}
	c.Tag = c.i.tags.Add(1)
	c.phase.Store(submitting)
	returned := false
	defer func() {
		if !returned && c.live { // a handler has ended the goroutine
			c.i.leave()
		}
	}()
	c.submit(cdb)
	returned = true
	if c.phase.CompareAndSwap(submitting, waiting) {
		c.wait(ctx)
	}
	c.phase.Store(idle)
	if c.live {
		c.i.leave()
	}
}

// wait waits for the end, and aborts the command when ctx is done.
func (c *Command) wait(ctx context.Context) {
	select {
	case <-c.ended:
		return
	case <-ctx.Done():
	}
	select {
	case <-c.ended:
		return
	case c.i.aborts <- struct{}{}:
	}
	f := newFunction(c.abortion())
	c.i.s.Manage(&f.Task)
	<-c.ended
	<-f.ended
	<-c.i.aborts
	if c.Err == ErrAborted {
		c.Err = ctx.Err()
	}
}

// command returns a command for one synchronous use.
func (i *Initiator) command() *Command {
	i.mu.Lock()
	c := i.free
	if c != nil {
		i.free, c.next = c.next, nil
	}
	i.mu.Unlock()
	if c == nil {
		c = &Command{i: i, ended: make(chan struct{}, 1)}
	}
	return c
}

// recycle takes it back.
func (i *Initiator) recycle(c *Command) {
	c.Out, c.In, c.Err, c.Sense = nil, nil, nil, nil
	i.mu.Lock()
	c.next, i.free = i.free, c
	i.mu.Unlock()
}
