package local

import (
	"errors"
	"time"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// endpoint is the engine's view of an Initiator. It answers every call at once.
type endpoint struct{ *Initiator }

var (
	_ fabric.Endpoint        = endpoint{}
	_ fabric.Eventer         = endpoint{}
	_ fabric.LogoutRequester = endpoint{}
	_ fabric.BufferProvider  = directEndpoint{}
)

// RequestData implements fabric.Endpoint.
func (e endpoint) RequestData(x *scsi.Command) {
	x.DataReceived(x.Driver.(*Command).send(x))
}

// Respond implements fabric.Endpoint.
func (e endpoint) Respond(x *scsi.Command) {
	c := x.Driver.(*Command)
	x.Driver = nil
	c.take(x)
	x.ResponseSent(nil)
	c.lent = nil
	c.completed()
}

// TaskDone implements fabric.Endpoint.
func (e endpoint) TaskDone(t *fabric.Task) {
	t.Driver.(*function).end()
}

// Closed implements fabric.Endpoint.
func (e endpoint) Closed(reason error) {
	e.refuse()
	e.closeDirect()
	e.reason = reason
	close(e.gone)
}

// Event implements fabric.Eventer.
func (e endpoint) Event(ev fabric.Event) error {
	if e.event == nil {
		return errors.ErrUnsupported
	}
	e.event(ev)
	return nil
}

// RequestLogout implements fabric.LogoutRequester: what is in progress ends, and then
// the session.
func (e endpoint) RequestLogout(time.Duration) { e.refuse() }

// directEndpoint lends the callers' memory.
type directEndpoint struct{ endpoint }

// Buffer implements fabric.BufferProvider.
func (e directEndpoint) Buffer(x *scsi.Command, n int) (*sgv.Buf, error) {
	b, err := x.Driver.(*Command).buffer(n)
	if b == nil && err == nil {
		return nil, errors.ErrUnsupported
	}
	return b, err
}
