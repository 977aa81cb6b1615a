package engine

import (
	"errors"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// A handler that panics takes its device offline: it may have died holding its locks, so
// that nothing of it is called any more but Detach and Close. All calls of a handler from
// AddDevice to Remove go through this file or through task.call.
//
// One that calls runtime.Goexit, as the FailNow of tests does, has died, too, and besides the
// goroutine ends, which nothing can stop: what remains to be done is done by deferred functions
// then. For the methods that run once for each command, that is what those of the engine's
// functions do that have something left to do after a call that may come to such a method: one
// of the handler, or of an endpoint, which may say that other responses have left. The other
// methods have a goroutine of their own.

// errGoexit is the value with which a device is faulted whose handler has not panicked.
var errGoexit = errors.New("engine: the handler has called runtime.Goexit")

// fault takes the device offline after a panic of its handler with value; nil: Goexit.
func (d *Device) fault(value any) {
	if value == nil {
		value = errGoexit
	}
	stack := debug.Stack()
	if d.offline.Swap(true) {
		return
	}
	d.e.log.Error("handler panicked, device is offline", zap.String(keyDevice, d.name), zap.Any("panic", value), zap.ByteString("stack", stack))
	if f := d.e.events.DeviceFaulted; f != nil {
		f(d.name, value, stack)
	}
}

// apart calls f on a goroutine of its own and waits for that to end, so that the caller goes on
// when f does not return.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// apartEach calls f for each of a list, as apart does.
func apartEach(list []*task, f func(*task)) {
	for len(list) > 0 {
		apart(func() {
			for len(list) > 0 {
				t := list[0]
				list = list[1:]
				f(t)
			}
		})
	}
}

// guard calls f, a method of the handler that is not called for each command, unless the device
// is offline.
func (d *Device) guard(f func()) (err error) {
	if d.offline.Load() {
		return scsi.LogicalUnitFailure
	}
	return d.calls(f)
}

// calls is guard for a device that may be offline.
func (d *Device) calls(f func()) (err error) {
	apart(func() {
		returned := false
		defer func() {
			if !returned {
				d.fault(recover())
				err = scsi.InternalTargetFailure
			}
		}()
		f()
		returned = true
	})
	return err
}

// contain is deferred around a call of the handler, on behalf of a command that is being parsed
// or executed.
func (t *task) contain(returned *bool, err *error) {
	if *returned {
		return
	}
	r := recover()
	t.n.d.fault(r)
	*err = scsi.InternalTargetFailure
	if r == nil && t.status.state() == StateParse { // nobody else will end it
		t.finish(*err)
	}
}

// askParser calls the handler's Parser.
func (t *task) askParser() (p scsi.Parsed, err error) {
	if t.n.d.offline.Load() {
		return p, scsi.LogicalUnitFailure
	}
	returned := false
	defer t.contain(&returned, &err)
	err = t.n.d.parser.Parse(&t.Command, &p)
	returned = true
	return p, err
}

// askBuffers calls the handler's BufferProvider.
func (t *task) askBuffers(n int) (b *sgv.Buf, err error) {
	if t.n.d.offline.Load() {
		return nil, scsi.LogicalUnitFailure
	}
	returned := false
	defer t.contain(&returned, &err)
	b, err = t.n.d.buffers.Buffer(&t.Command, n)
	returned = true
	return b, err
}

// finished calls the handler's Finisher for a command that the handler has let go of. When that
// ends the goroutine, finished frees the command.
func (t *task) finished() {
	if t.n == nil || t.n.d.finisher == nil || t.lost || t.n.d.offline.Load() {
		return
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		r := recover()
		t.n.d.fault(r)
		if r == nil {
			t.free()
		}
	}()
	t.n.d.finisher.Finish(&t.Command, scsi.Outcome{Status: t.Status(), Aborted: t.aborted(), Delivered: t.sentErr})
	returned = true
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
		_ = d.calls(func() { d.attacher.Detach(n) })
	}
}
