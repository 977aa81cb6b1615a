package engine

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// A handler that panics takes its device offline: it may have died holding its locks, so
// that nothing of it is called any more but Detach and Close. All calls of a handler from
// AddDevice to Remove go through this file or through task.call.

// fault takes the device offline after a panic of its handler.
func (d *Device) fault(value any) {
	stack := debug.Stack()
	if d.offline.Swap(true) {
		return
	}
	d.e.log.Error("handler panicked, device is offline", zap.String(keyDevice, d.name), zap.Any("panic", value), zap.ByteString("stack", stack))
	if f := d.e.events.DeviceFaulted; f != nil {
		f(d.name, value, stack)
	}
}

// contain is deferred around a call of the handler.
func (d *Device) contain(err *error) {
	if r := recover(); r != nil {
		d.fault(r)
		*err = scsi.InternalTargetFailure
	}
}

// guard calls f, a method of the handler, unless the device is offline.
func (d *Device) guard(f func()) (err error) {
	if d.offline.Load() {
		return scsi.LogicalUnitFailure
	}
	defer d.contain(&err)
	f()
	return nil
}

// parse calls the handler's Parser.
func (d *Device) parse(c *scsi.Command) (p scsi.Parsed, err error) {
	if d.offline.Load() {
		return p, scsi.LogicalUnitFailure
	}
	defer d.contain(&err)
	err = d.parser.Parse(c, &p)
	return p, err
}

// buffer calls the handler's BufferProvider.
func (d *Device) buffer(c *scsi.Command, n int) (b *sgv.Buf, err error) {
	if d.offline.Load() {
		return nil, scsi.LogicalUnitFailure
	}
	defer d.contain(&err)
	return d.buffers.Buffer(c, n)
}

// finish calls the handler's Finisher for a command that the handler has let go of.
func (d *Device) finish(t *task) {
	if t.lost || d.offline.Load() {
		return
	}
	var err error
	defer d.contain(&err)
	d.finisher.Finish(&t.Command, scsi.Outcome{Status: t.Status(), Aborted: t.aborted(), Delivered: t.sentErr})
}

// observe calls f with the handler's TaskObserver if it is one.
func (d *Device) observe(f func(scsi.TaskObserver)) {
	if d.observer != nil {
		_ = d.guard(func() { f(d.observer) })
	}
}

// attach tells the handler of a nexus, and returns its refusal.
func (d *Device) attach(n *scsi.Nexus) error {
	if d.attacher == nil {
		return nil
	}
	var refusal error
	if err := d.guard(func() { refusal = d.attacher.Attach(n) }); err != nil {
		return err
	}
	return refusal
}

// detach tells the handler of the end of a nexus, also when the device is offline: what
// the handler keeps of the nexus goes then.
func (d *Device) detach(n *scsi.Nexus) {
	if d.attacher != nil {
		var err error
		defer d.contain(&err)
		d.attacher.Detach(n)
	}
}
