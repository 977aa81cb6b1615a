package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// Unit is a scsi.Handler with the commands every logical unit needs, and a table for the
// others. Make one with New.
type Unit struct {
	opts Options
	rows [256]uint16    // by operation code, its index in ops
	ops  []entry        // the first one is that of operation codes that are not supported
	own  []*scsi.OpInfo // rows added by HandleInfo
	vpd  []vpdPage      // in the order of page codes
	err  error          // what is wrong with the set-up

	host  atomic.Pointer[scsi.Host] // set by Bind; nil: noHost
	ident identity                  // made of opts by New and Bind

	selecting chan struct{} // capacity 1, a lock: one MODE SELECT, Bind or Reset at a time; held around Apply and Save
	modeMu    sync.Mutex    // a leaf
	pages     []page        // in the order of MODE SENSE; current and saved are guarded by modeMu

	preventMu  sync.Mutex               // a leaf
	preventing map[*scsi.Nexus]struct{} // guarded by preventMu
}

// entry is what the table knows of an operation code.
type entry struct {
	action
	actions []action // the service actions of an operation code that has them
}

type action struct {
	code uint16
	try  func(*scsi.Command) error // nil: always a worker
	exec func(*scsi.Command) error // nil: not supported
}

// opsRoom is for as many operation codes as a disk has, and some.
const opsRoom = 48

// New makes a Unit. opts may be nil and is copied. What is wrong with it shows as an error of
// Describe.
func New(opts *Options) *Unit {
	u := &Unit{ops: make([]entry, 1, opsRoom), selecting: make(chan struct{}, 1), preventing: make(map[*scsi.Nexus]struct{})}
	if opts != nil {
		u.opts = *opts
	}
	u.fail(u.identify())
	u.addInquiry()
	u.addControlPages()
	u.HandleTry(scsi.OpTestUnitReady, u.testUnitReady, u.testUnitReady)
	u.HandleTry(scsi.OpRequestSense, u.requestSense, u.requestSense)
	u.HandleTry(scsi.OpModeSense6, u.modeSense, u.modeSense)
	u.HandleTry(scsi.OpModeSense10, u.modeSense, u.modeSense)
	u.Handle(scsi.OpModeSelect6, u.modeSelect)
	u.Handle(scsi.OpModeSelect10, u.modeSelect)
	u.Handle(scsi.OpSendDiagnostic, u.sendDiagnostic)
	u.addMedia()
	return u
}

// Handle makes exec the function for an operation code without service actions. It may
// block. A nil exec takes the command out.
func (u *Unit) Handle(op scsi.Opcode, exec func(*scsi.Command) error) {
	u.HandleTry(op, nil, exec)
}

// HandleTry is Handle with a function that is tried first, on the goroutine that
// submits: it does not block, and returns scsi.ErrWouldBlock, with nothing done, for
// exec to be called on a worker. try and exec are the same for a command that never
// blocks.
func (u *Unit) HandleTry(op scsi.Opcode, try, exec func(*scsi.Command) error) {
	*u.row(op) = entry{action: action{try: try, exec: exec}}
}

// row is the entry of an operation code, made if there is none.
func (u *Unit) row(op scsi.Opcode) *entry {
	if u.rows[op] == 0 {
		u.rows[op] = uint16(len(u.ops))
		u.ops = append(u.ops, entry{})
	}
	return &u.ops[u.rows[op]]
}

// HandleAction is HandleTry for one service action of an operation code. A nil exec
// takes it out.
func (u *Unit) HandleAction(op scsi.Opcode, code uint16, try, exec func(*scsi.Command) error) {
	e := u.row(op)
	e.actions = slices.DeleteFunc(e.actions, func(a action) bool { return a.code == code })
	e.exec, e.try = nil, nil
	if exec != nil {
		e.actions = append(e.actions, action{code, try, exec})
	}
}

// HandleInfo is HandleTry for a command that the table of package scsi does not have: a
// vendor's own. row is kept; its Op, Len, Count, Rule and Dir say how the command is
// decoded.
func (u *Unit) HandleInfo(row *scsi.OpInfo, try, exec func(*scsi.Command) error) {
	u.own = append(slices.DeleteFunc(u.own, func(o *scsi.OpInfo) bool { return o.Op == row.Op }), row)
	u.HandleTry(row.Op, try, exec)
}

// Describe returns what the engine needs to know, or what is wrong with the set-up.
func (u *Unit) Describe() (scsi.Description, error) {
	d := scsi.Description{
		Type:        u.opts.Type,
		BlockSize:   u.opts.BlockSize,
		MaxTransfer: u.opts.MaxTransfer,
		LateData:    u.opts.LateData,
		NonBlocking: u.opts.NonBlocking,
		Removable:   u.opts.Removable,
		Control:     u.opts.Control,
	}
	if len(u.own) > 0 {
		d.Parse = scsi.ParseUnknown
	}
	return d, u.err
}

// Bind takes the engine's side: identifiers that are not configured are made of
// h.ID, and saved mode pages become current. It may block.
func (u *Unit) Bind(h scsi.Host) error {
	u.host.Store(&h)
	if err := u.identify(); err != nil {
		return err
	}
	blob, err := h.Load(savedKey)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errors.ErrUnsupported):
		return nil
	default:
		return fmt.Errorf("unit: loading saved mode pages: %w", err)
	}
	return u.restore(blob)
}

// Host is the engine's side of the device; before Bind it is one that does nothing.
func (u *Unit) Host() scsi.Host {
	if h := u.host.Load(); h != nil {
		return *h
	}
	return noHost{}
}

// Exec executes c as the table says. An operation code that is not in it is refused with
// INVALID COMMAND OPERATION CODE, a service action with INVALID FIELD IN CDB.
func (u *Unit) Exec(c *scsi.Command) error {
	a, err := u.find(c)
	if err != nil {
		return err
	}
	return a.exec(c)
}

// TryExec executes c if that does not block.
func (u *Unit) TryExec(c *scsi.Command) error {
	a, err := u.find(c)
	if err != nil {
		return err
	}
	if a.try == nil {
		return scsi.ErrWouldBlock
	}
	return a.try(c)
}

// Parse gives the lengths of commands added by HandleInfo.
func (u *Unit) Parse(c *scsi.Command, p *scsi.Parsed) error {
	cdb := c.CDB()
	for _, o := range u.own {
		if len(cdb) == 0 || cdb[0] != byte(o.Op) {
			continue
		}
		if len(cdb) < int(o.Len) {
			return scsi.InvalidFieldInCDB
		}
		p.Writes = o.Flags&scsi.FlagWrites != 0
		n := int64(o.Count.Get(cdb))
		switch o.Rule {
		case scsi.RuleBytes:
		case scsi.RuleBlocks:
			n *= int64(u.opts.BlockSize)
		case scsi.RuleUnknown:
			p.In, p.Out = int64(c.ExpectedIn), int64(c.ExpectedOut)
			return nil
		default:
			n = 0
		}
		switch o.Dir {
		case scsi.DirIn:
			p.In = n
		case scsi.DirOut:
			p.Out = n
		}
		return nil
	}
	return scsi.InvalidOpcode
}

// Opcodes lists the commands in the table.
func (u *Unit) Opcodes() []*scsi.OpInfo {
	var rows []*scsi.OpInfo
	for o := range scsi.Ops(u.opts.Type) {
		e := &u.ops[u.rows[o.Op]]
		if o.HasAction {
			if e.find(o.Action) != nil {
				rows = append(rows, o)
			}
		} else if e.exec != nil {
			rows = append(rows, o)
		}
	}
	for _, o := range u.own {
		if u.ops[u.rows[o.Op]].exec != nil {
			rows = append(rows, o)
		}
	}
	return rows
}

// Detach forgets what the nexus prevented.
func (u *Unit) Detach(n *scsi.Nexus) { u.allow(n) }

// Reset is what LOGICAL UNIT RESET does to the unit (SAM-5 6.3.3): mode pages return to
// their saved values, and removal is not prevented any more.
func (u *Unit) Reset() {
	u.preventMu.Lock()
	clear(u.preventing)
	u.preventMu.Unlock()
	u.revert()
}

func (u *Unit) find(c *scsi.Command) (*action, error) {
	cdb := c.CDB()
	if len(cdb) == 0 {
		return nil, scsi.InvalidOpcode
	}
	e := &u.ops[u.rows[cdb[0]]]
	if e.exec != nil {
		return &e.action, nil
	}
	if len(e.actions) == 0 {
		return nil, scsi.InvalidOpcode
	}
	if a := e.find(scsi.ServiceActionOf(cdb)); a != nil {
		return a, nil
	}
	if scsi.Opcode(cdb[0]) == scsi.OpVariableLength {
		return nil, scsi.BadCDB(8, -1)
	}
	return nil, scsi.BadCDB(1, 4)
}

func (e *entry) find(code uint16) *action {
	for i := range e.actions {
		if e.actions[i].code == code {
			return &e.actions[i]
		}
	}
	return nil
}

// fail keeps the first thing that is wrong with the set-up.
func (u *Unit) fail(err error) {
	if u.err == nil && err != nil {
		u.err = fmt.Errorf("unit: %w", err)
	}
}

// peripheral is byte 0 of INQUIRY data.
func (u *Unit) peripheral() byte { return spc.Peripheral(spc.Connected, u.opts.Type) }

// noHost stands for the engine before Bind.
type noHost struct{}

func (noHost) Name() string                  { return "" }
func (noHost) ID() uint64                    { return 0 }
func (noHost) Raise(scsi.Sense, *scsi.Nexus) {}
func (noHost) SetControl(scsi.Control)       {}
func (noHost) Load(string) ([]byte, error)   { return nil, fs.ErrNotExist }
func (noHost) Save(string, []byte) error     { return errors.ErrUnsupported }
func (noHost) Persistent() bool              { return false }
