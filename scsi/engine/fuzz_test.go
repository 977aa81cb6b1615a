package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// FuzzSequences plays operations of initiators, handlers, transports and administrators in
// the order in which the input says, and checks after each what must hold: every command
// is responded to once; a function is answered once, when what it ends has ended; a handler
// sees commands in the order that their attributes allow, and none while its device is
// blocked; memory that a handler has lent is what is sent, and stays as long; nothing comes
// after the end of a session; nothing is left at the end.
func FuzzSequences(f *testing.F) {
	for seed := range uint64(64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 40+rng.IntN(1000))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, input)
			for len(w.input) > 0 && !t.Failed() {
				w.step()
				synctest.Wait()
				w.account()
			}
			w.end()
			if t.Failed() {
				for _, l := range w.log {
					t.Log(l)
				}
			}
		})
	})
}

// world is an engine with what is known of it from outside. All operations are made by one
// goroutine; mu is for what the engine does on its own. Commands and the rest are guarded
// by it, and it is not held across calls of the engine.
type world struct {
	mu      sync.Mutex
	t       *testing.T
	input   []byte
	e       *engine.Engine
	tgt     *engine.Target
	units   [4]*fuzzUnit
	ports   [3]*fuzzPort
	cmds    []*fuzzCommand // all that were submitted, by tag
	fns     []*fuzzFunction
	loans   []*fuzzLoan
	unblock []func()
	waits   sync.WaitGroup // for goroutines that change the configuration
	log     []string
}

type fuzzCommand struct {
	c         *scsi.Command
	p         *fuzzPort
	lun       uint16
	unit      *fuzzUnit // nil if it reached none
	attr      scsi.TaskAttr
	asked     bool // RequestData is open
	stopped   bool
	held      bool // the handler has it
	pending   scsi.Pending
	release   chan error // of a handler that blocks
	responded bool
	sending   bool // ResponseSent is open

	plan    int       // what a unit with late data does for it, two bits each time
	loan    *fuzzLoan // what is lent now
	tried   *fuzzLoan // what TryExec has lent before ErrWouldBlock
	filled  bool      // there are data in the buffer, or lent
	lingers bool      // mapped memory is being sent
}

type fuzzFunction struct {
	task    fabric.Task
	p       *fuzzPort
	victims []*fuzzCommand
	done    bool
}

func newWorld(t *testing.T, input []byte) *world {
	w := &world{t: t, input: input}
	memory := []int64{0, 0, 6, 20}[w.byte(4)] // in buffers of one block; 0: more than enough
	w.e = engine.New(&engine.Options{MemoryLimit: memory * sgv.NewPool(nil).Cost(512)})
	w.tgt, _ = w.e.AddTarget("iqn.fuzz", nil)
	w.tgt.Enable()
	for i, c := range []scsi.Control{{QueueAlg: 1}, {QueueAlg: 1, TST: 1, TAS: true}, {QErr: 1}, {QueueAlg: 1}} {
		u := &fuzzUnit{w: w, control: c, blocks: i == 1}
		h := scsi.Handler(u)
		if i == 3 {
			u.late = true
			h = &fuzzLate{u}
		}
		u.dev, _ = w.e.AddDevice(fmt.Sprint("unit", i), h, &engine.DeviceOptions{Workers: 1, QueueDepth: 5})
		w.units[i] = u
		_ = w.tgt.Map(uint16(i), u.dev, nil)
	}
	return w
}

// fail marks the test as failed; mu is held or nobody else runs.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.log = append(w.log, fmt.Sprintf("FAILED: "+format, args...))
	w.t.Errorf(format, args...)
}

// byte is the next byte of the input; n bounds it.
func (w *world) byte(n int) int {
	if len(w.input) == 0 {
		return 0
	}
	b := w.input[0]
	w.input = w.input[1:]
	return int(b) % n
}

func (w *world) printf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// step plays one operation.
func (w *world) step() {
	op := w.byte(24)
	p := w.ports[w.byte(len(w.ports))]
	switch {
	case op < 9:
		if p != nil {
			w.submit(p)
		}
	case op < 13:
		w.complete()
	case op < 15:
		w.deliver()
	case op < 18:
		w.sent()
	case op < 20:
		if p != nil {
			w.manage(p)
		}
	case op == 20:
		w.login(w.byte(len(w.ports)))
	case op == 21:
		if p != nil && w.byte(3) == 0 {
			w.printf("close %s", p.name)
			p.s.Close(nil)
		}
	case op == 22:
		w.configure()
	case w.byte(2) == 0:
		w.block()
	default:
		u := w.units[w.byte(len(w.units))]
		w.printf("raise and set control of %s", u.dev.Name())
		u.dev.Raise(scsi.CapacityChanged)
		b := w.byte(16)
		u.host.SetControl(scsi.Control{QueueAlg: uint8(b & 1), TAS: b&2 != 0, QErr: []uint8{0, 1, 3, 0}[b>>2]})
	}
}

func (w *world) login(i int) {
	if w.ports[i] != nil {
		return
	}
	p := &fuzzPort{w: w, name: string(rune('a' + i)), index: i, batches: i > 0}
	w.printf("login %s", p.name)
	w.ports[i] = p
	var err error
	p.s, err = w.tgt.Login(context.Background(), fabric.Initiator{Name: p.name}, p)
	if err != nil {
		panic(err)
	}
}

func (w *world) submit(p *fuzzPort) {
	cdb := [][]byte{read1, read1, read1, read1, write1, write1, tur, inquiry, {3, 0, 0, 0, 18, 0}, {0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, {0x15, 0x10, 0, 0, 0, 0}, {0xC0}}[w.byte(12)]
	how := w.byte(256)
	x := &fuzzCommand{p: p, lun: uint16(w.byte(5)), plan: w.byte(256), attr: []scsi.TaskAttr{scsi.Simple, scsi.Simple, scsi.Ordered, scsi.HeadOfQueue, scsi.Simple, scsi.ACA, scsi.Simple, scsi.Simple}[how&7]}
	if how>>5 == 7 { // NACA
		cdb = append([]byte(nil), cdb...)
		cdb[len(cdb)-1] |= 4
	}
	x.c = p.s.NewCommand()
	x.c.Request = scsi.Request{Tag: uint64(len(w.cmds)), LUN: scsi.MakeLUN(x.lun, scsi.LUNFlat), Attr: x.attr, RawIn: how&8 != 0}
	if how&0x10 != 0 && cdb[0] == read1[0] {
		x.c.ExpectedSet, x.c.ExpectedIn = true, []uint32{0, 100, 512, 1000}[x.plan&3]
	}
	x.c.SetCDB(cdb)
	w.mu.Lock()
	w.cmds = append(w.cmds, x)
	w.mu.Unlock()
	w.printf("%s submit %d %02xh %v lun %d naca %v raw %v plan %02x", p.name, x.c.Tag, cdb[0], x.attr, x.lun, how>>5 == 7, x.c.RawIn, x.plan)
	tag := x.c.Tag
	p.s.Submit(x.c)
	live := w.e.Commands()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range live {
		if i.Tag == tag && !x.responded {
			for _, u := range w.units {
				if u.dev.Name() == i.Device {
					x.unit = u
				}
			}
		}
	}
}

// pick chooses one of the commands that f likes.
func (w *world) pick(f func(*fuzzCommand) bool) *fuzzCommand {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*fuzzCommand
	for _, x := range w.cmds {
		if f(x) {
			list = append(list, x)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.byte(len(list))]
}

// clear says that something is not held any more.
func (w *world) clear(held *bool) {
	w.mu.Lock()
	*held = false
	w.mu.Unlock()
}

func (w *world) complete() {
	if x := w.pick(func(x *fuzzCommand) bool { return x.held }); x != nil {
		w.finish(x, []error{nil, nil, nil, scsi.MediumReadError, scsi.ErrBusy, errors.New("?")}[w.byte(6)])
	}
}

func (w *world) finish(x *fuzzCommand, err error) {
	w.printf("complete %d: %v", x.c.Tag, err)
	w.clear(&x.held)
	if x.unit.late {
		w.provide(x, x.plan>>4&3)
		w.provide(x, x.plan>>6)
	}
	if x.release != nil {
		x.release <- err
	} else {
		x.pending.Done(err)
	}
}

func (w *world) deliver() {
	if x := w.pick(func(x *fuzzCommand) bool { return x.asked }); x != nil {
		w.printf("data of %d", x.c.Tag)
		w.clear(&x.asked)
		x.c.DataReceived([]error{nil, nil, nil, scsi.DataPhaseError}[w.byte(4)])
	}
}

func (w *world) sent() {
	x := w.pick(func(x *fuzzCommand) bool { return x.sending })
	if x == nil {
		return
	}
	err := []error{nil, nil, errors.New("lost")}[w.byte(3)]
	if !x.p.batches {
		w.left([]*fuzzCommand{x})
		x.c.ResponseSent(err)
		return
	}
	list := []*fuzzCommand{x}
	for _, o := range w.cmds {
		if o != x && o.p == x.p && o.sending && w.byte(3) > 0 {
			list = append(list, o)
		}
	}
	x.p.s.ResponsesSent(w.left(list), err)
}

// left says that responses leave, and returns their commands.
func (w *world) left(list []*fuzzCommand) (cmds []*scsi.Command) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range list {
		w.log = append(w.log, fmt.Sprintf("sent %d", x.c.Tag))
		x.sending, x.lingers = false, false
		cmds = append(cmds, x.c)
	}
	return cmds
}

func (w *world) manage(p *fuzzPort) {
	fn := scsi.TaskFunction(1 + w.byte(int(scsi.NexusReset)))
	f := &fuzzFunction{p: p, task: fabric.Task{Function: fn, Tag: uint64(w.byte(256))}}
	if n := len(w.cmds); n > 0 {
		f.task.Tag = uint64(n - 1 - int(f.task.Tag)%min(n, 8))
	}
	lun := uint16(w.byte(5))
	f.task.LUN, f.task.Driver = scsi.MakeLUN(lun, scsi.LUNPeripheral), f
	var unit *fuzzUnit
	for _, l := range w.luns(p) {
		for _, u := range w.units {
			if l.LUN == lun && u.dev.Name() == l.Device {
				unit = u
			}
		}
	}
	for _, x := range w.cmds {
		own := x.p == p && (x.lun == lun || fn == scsi.TargetReset || fn == scsi.ColdReset || fn == scsi.NexusReset)
		switch fn {
		case scsi.AbortTask:
			own = own && x.c.Tag == f.task.Tag
		case scsi.ClearTaskSet:
			own = own || unit != nil && x.unit == unit && unit.control.TST == 0
		case scsi.LogicalUnitReset:
			own = own || unit != nil && x.unit == unit
		case scsi.ClearACA, scsi.QueryTask, scsi.QueryTaskSet, scsi.QueryAsyncEvent:
			own = false
		}
		if own && !x.responded {
			f.victims = append(f.victims, x)
		}
	}
	w.fns = append(w.fns, f)
	w.printf("%s manage %v tag %d lun %d, %d victims", p.name, fn, f.task.Tag, lun, len(f.victims))
	p.s.Manage(&f.task)
}

// luns is what the session sees.
func (w *world) luns(p *fuzzPort) []engine.LUNInfo {
	return w.tgt.Group(p.s.Info().Group).LUNs()
}

// configure changes a LUN map or the groups.
func (w *world) configure() {
	g := w.tgt.Group([]string{"", "g"}[w.byte(2)])
	lun, u := uint16(w.byte(5)), w.units[w.byte(len(w.units))]
	var do func() error
	switch what := w.byte(10); what {
	case 0, 1, 8, 9:
		w.printf("group %q map %d %s", g.Name(), lun, u.dev.Name())
		_ = g.Map(lun, u.dev, &engine.LUNOptions{ReadOnly: what == 1})
		return
	case 2:
		w.printf("group %q unmap %d", g.Name(), lun)
		ctx, cancel := context.WithCancel(context.Background())
		if w.byte(2) == 0 {
			cancel() // it does not wait; another call may
		}
		do = func() error {
			defer cancel()
			return g.Unmap(ctx, lun)
		}
	case 3:
		w.printf("group %q replace %d %s", g.Name(), lun, u.dev.Name())
		do = func() error { return g.Replace(context.Background(), lun, u.dev, nil) }
	case 4:
		name := string(rune('a' + w.byte(3)))
		w.printf("group g takes %s", name)
		if w.tgt.Group("g").AddInitiator(name) != nil {
			_ = w.tgt.Group("g").RemoveInitiator(name)
		}
		return
	case 5:
		u.dev.SetQueueDepth(1 + w.byte(6))
		u.dev.SetWorkers(1 + w.byte(3))
		return
	case 6:
		w.printf("remove group g")
		g := w.tgt.Group("g")
		do = func() error { return g.Remove(context.Background()) }
	case 7:
		w.printf("%s refuses nexuses", u.dev.Name())
		u.refuse.Store(int32(1 + w.byte(3)))
		return
	}
	w.waits.Go(func() {
		if err := do(); err != nil && !errors.Is(err, engine.ErrNotFound) && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
}

// block blocks a device, or ends a block.
func (w *world) block() {
	if n := len(w.unblock); n > 0 && w.byte(6) > 0 {
		w.printf("unblock")
		w.unblock[n-1]()
		w.unblock = w.unblock[:n-1]
		return
	}
	u := w.units[w.byte(len(w.units))]
	w.printf("block %s", u.dev.Name())
	w.waits.Go(func() {
		unblock, err := u.dev.Block(context.Background())
		if err != nil {
			w.t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		u.blocked++
		w.unblock = append(w.unblock, func() {
			w.mu.Lock()
			u.blocked--
			w.mu.Unlock()
			unblock()
		})
	})
}

// end lets everything end that has begun, some of it only with its session, and checks
// that it does.
func (w *world) end() {
	w.settle()
	var over atomic.Bool
	go func() {
		if err := w.e.Close(); err != nil {
			w.t.Error(err)
		}
		w.waits.Wait()
		over.Store(true)
	}()
	synctest.Wait()
	w.settle()
	for _, x := range w.cmds {
		if !x.responded {
			w.fail("command %d was not responded to: %+v", x.c.Tag, w.e.Commands())
		}
	}
	for _, f := range w.fns {
		if !f.done {
			w.fail("%v was not answered", f.task.Function)
		}
	}
	if !over.Load() {
		w.fail("the engine, or a change of the configuration, has not ended")
		return
	}
	if s := w.e.Stats(); s.Pool.Outstanding != 0 || s.MemoryUsed != 0 || s.Live != 0 || s.Commands != uint64(len(w.cmds)) {
		w.fail("at the end: %+v", s)
	}
	for _, l := range w.loans {
		if !l.back {
			w.fail("what command %d has lent was not given back", l.x.c.Tag)
		}
	}
	for _, u := range w.units {
		if u.attached.Load() != 0 || u.dev.Stats().Nexuses != 0 || u.dev.Stats().Live != 0 {
			w.fail("%s: %d nexuses are attached, %+v", u.dev.Name(), u.attached.Load(), u.dev.Stats().Traffic)
		}
	}
}

// settle ends blocks and completes what handlers and transports hold until nothing moves.
func (w *world) settle() {
	for {
		synctest.Wait()
		w.mu.Lock()
		opens := w.unblock
		w.unblock = nil
		w.mu.Unlock()
		for _, open := range opens {
			open()
		}
		x := w.first(func(x *fuzzCommand) bool { return x.held || x.asked || x.sending })
		switch {
		case x == nil && len(opens) == 0:
			return
		case x == nil:
		case x.held:
			w.finish(x, nil)
		case x.asked:
			w.clear(&x.asked)
			x.c.DataReceived(nil)
		default:
			w.left([]*fuzzCommand{x})
			x.c.ResponseSent(nil)
		}
	}
}

// first finds the first command that f likes.
func (w *world) first(f func(*fuzzCommand) bool) *fuzzCommand {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.IndexFunc(w.cmds, f); i >= 0 {
		return w.cmds[i]
	}
	return nil
}
