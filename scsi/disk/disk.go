package disk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/rangelock"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/spc"
	"github.com/goscst/goscst/scsi/unit"
)

// Disk is a direct access block device on a backstore. Make one with New. It is a
// scsi.Handler; its other exported methods are safe for concurrent use once it was
// added to an engine.
type Disk struct {
	// What READ and WRITE look at comes first: of thousands of disks that take turns, none is in
	// a cache.
	shape
	direct atomic.Bool            // READ and WRITE are what this package makes of them; see TryExec
	wce    atomic.Bool            // the write cache is enabled
	med    atomic.Pointer[medium] // nil: none is loaded
	first  medium                 // that of a disk that is not removable
	lock   rangelock.Lock         // blocks that commands change

	opts    Options
	unit    *unit.Unit
	err     error               // what is wrong with options or store
	refused backstore.Backstore // the store of a disk that is not usable, for Close; else nil
	scratch sync.Pool           // of *[scratchSize]byte

	moving chan struct{} // capacity 1, a lock: one Insert, Eject or Load at a time
	tray   *medium       // guarded by moving; ejected, not taken out
	open   atomic.Bool   // the tray
}

// The optional interfaces that a Disk has.
var (
	_ scsi.TryExecer    = (*Disk)(nil)
	_ scsi.Binder       = (*Disk)(nil)
	_ scsi.Attacher     = (*Disk)(nil)
	_ scsi.OpcodeLister = (*Disk)(nil)
	_ scsi.Resetter     = (*Disk)(nil)
	_ scsi.Closer       = (*Disk)(nil)
)

// New makes a disk of a store, which it owns from now on: Close closes it, unless
// Options.KeepStore is set. opts may be nil and is copied. The store may be nil for a
// removable disk without a medium. What is wrong with either shows when the disk is
// added to an engine.
func New(store backstore.Backstore, opts *Options) *Disk {
	d := &Disk{moving: make(chan struct{}, 1)}
	d.scratch.New = func() any { return new([scratchSize]byte) }
	if opts != nil {
		d.opts = *opts
	}
	var ab backstore.Abilities
	if store != nil {
		ab = backstore.Resolve(store)
	}
	var m *medium
	if d.shape, d.err = makeShape(&d.opts, store, &ab); d.err == nil && store != nil {
		if m = &d.first; d.opts.Removable {
			m = new(medium) // which goes when it is taken out
		}
		d.err = m.use(d, store, &ab)
	}
	if d.err != nil {
		d.unit, d.refused = unit.New(nil), store
		return d
	}
	d.med.Store(m)
	d.wce.Store(d.volatile && !d.opts.WriteThrough)
	d.unit = unit.New(d.unitOptions(&ab))
	d.addPages()
	d.addCommands()
	d.direct.Store(!d.opts.Removable)
	if m != nil {
		m.listen()
	}
	return d
}

// Describe implements scsi.Handler.
func (d *Disk) Describe() (scsi.Description, error) {
	if d.err != nil {
		return scsi.Description{}, d.err
	}
	return d.unit.Describe()
}

// Bind implements scsi.Binder.
func (d *Disk) Bind(h scsi.Host) error { return d.unit.Bind(h) }

// Attach implements scsi.Attacher; every nexus is welcome.
func (d *Disk) Attach(*scsi.Nexus) error { return nil }

// Detach implements scsi.Attacher.
func (d *Disk) Detach(n *scsi.Nexus) { d.unit.Detach(n) }

// Exec implements scsi.Handler.
func (d *Disk) Exec(c *scsi.Command) error { return d.unit.Exec(c) }

// TryExec implements scsi.TryExecer. READ and WRITE take a shorter way than the table, which is
// scattered over the memory.
func (d *Disk) TryExec(c *scsi.Command) error {
	if !d.direct.Load() {
		return d.unit.TryExec(c)
	}
	try := (*Disk).tryRead
	switch c.Op().Op {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16:
		try = (*Disk).tryWrite
	default:
		return d.unit.TryExec(c)
	}
	m := d.med.Load()
	if m == nil {
		return d.absent()
	}
	return try(d, c, m)
}

// Opcodes implements scsi.OpcodeLister.
func (d *Disk) Opcodes() []*scsi.OpInfo { return d.unit.Opcodes() }

// Reset implements scsi.Resetter.
func (d *Disk) Reset() { d.unit.Reset() }

// Unit is the SPC part of the disk: add commands, vital product data or mode pages of
// your own to it before the disk is added to an engine.
func (d *Disk) Unit() *unit.Unit {
	d.direct.Store(false) // for the caller may replace READ or WRITE
	return d.unit
}

// Blocks is the capacity in logical blocks, zero without a medium.
func (d *Disk) Blocks() uint64 {
	if m := d.med.Load(); m != nil {
		return m.blocks.Load()
	}
	return 0
}

// BlockSize is the number of bytes in a logical block.
func (d *Disk) BlockSize() int { return d.blockSize }

// Close implements scsi.Closer: it flushes and closes the stores of the disk. It is called
// when no command runs, and may block.
func (d *Disk) Close() error {
	d.moving <- struct{}{}
	defer func() { <-d.moving }()
	var errs []error
	if d.refused != nil && !d.opts.KeepStore {
		errs = append(errs, d.refused.Close())
	}
	for _, m := range [...]*medium{d.med.Swap(nil), d.tray} {
		if m == nil {
			continue
		}
		m.stop()
		if m.volatile {
			errs = append(errs, m.ab.Flusher.Flush(context.Background(), 0, 0))
		}
		if !d.opts.KeepStore {
			errs = append(errs, m.store.Close())
		}
	}
	d.tray = nil
	return errors.Join(errs...)
}

// unitOptions is what package unit needs to know.
func (d *Disk) unitOptions(ab *backstore.Abilities) *unit.Options {
	o := &unit.Options{
		Type:      scsi.TypeDisk,
		Removable: d.opts.Removable,
		Vendor:    d.opts.Vendor, Product: d.opts.Product, Revision: d.opts.Revision,
		Serial: d.opts.Serial, NAA: d.opts.NAA, EUI64: d.opts.EUI64, Name: d.opts.Name,
		Versions:      []uint16{spc.ClaimSBC3},
		VolatileCache: d.volatile,
		Control:       scsi.Control{TST: 1, QueueAlg: 1},
		BlockSize:     d.blockSize,
		MaxTransfer:   d.maxTransfer,
		LateData:      (ab.Lender != nil || ab.MapLender != nil) && !d.opts.Removable,
		Ready:         d.ready,
		Params:        d.params,
		SelfTest:      d.selfTest,
		Medium:        (*drive)(d),
	}
	if d.opts.Control != nil {
		o.Control = *d.opts.Control
	}
	if ab.Identifier != nil {
		id := ab.Identifier.Identity()
		if o.Serial == "" {
			o.Serial = id.Serial
		}
		if o.NAA == nil && o.EUI64 == nil {
			o.NAA, o.EUI64 = id.NAA, id.EUI64
		}
	}
	return o
}

// addCommands fills the table. Reading and writing is tried inline, what only looks at
// the disk never blocks, the rest runs on workers.
func (d *Disk) addCommands() {
	u := d.unit
	for _, op := range [...]scsi.Opcode{scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16} {
		u.HandleTry(op, d.with((*Disk).tryRead), d.with((*Disk).read))
	}
	for _, op := range [...]scsi.Opcode{scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16} {
		u.HandleTry(op, d.with((*Disk).tryWrite), d.with((*Disk).write))
	}
	for _, op := range [...]scsi.Opcode{scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16} {
		u.Handle(op, d.with((*Disk).verify))
	}
	for _, op := range [...]scsi.Opcode{scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16} {
		u.Handle(op, d.with((*Disk).writeVerify))
	}
	for _, op := range [...]scsi.Opcode{scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16} {
		u.Handle(op, d.with((*Disk).synchronize))
	}
	for _, op := range [...]scsi.Opcode{scsi.OpWriteSame10, scsi.OpWriteSame16} {
		u.Handle(op, d.with((*Disk).writeSame))
	}
	if d.thin {
		u.Handle(scsi.OpUnmap, d.with((*Disk).unmap))
	}
	u.Handle(scsi.OpCompareAndWrite, d.with((*Disk).compareAndWrite))
	capacity10, capacity16 := d.with((*Disk).readCapacity10), d.with((*Disk).readCapacity16)
	u.HandleTry(scsi.OpReadCapacity10, capacity10, capacity10)
	u.HandleAction(scsi.OpServiceActionIn16, scsi.ActionReadCapacity16, capacity16, capacity16)
	u.HandleAction(scsi.OpServiceActionIn16, scsi.ActionGetLBAStatus, nil, d.with((*Disk).lbaStatus))
}

// addPages adds the mode pages and vital product data of disks.
func (d *Disk) addPages() {
	u := d.unit
	u.AddModePage(unit.ModePage{Default: sbc.AppendRecoveryPage(nil, &sbc.RecoveryPage{})})
	u.AddModePage(unit.ModePage{
		Default:    sbc.AppendCachingPage(nil, &sbc.CachingPage{WCE: d.wce.Load()}),
		Changeable: sbc.AppendCachingPage(nil, &sbc.CachingPage{WCE: d.volatile}),
		Apply:      d.applyCaching,
	})
	u.AddVPD(sbc.VPDLimits, func(dst []byte, _ *scsi.Command) []byte { return sbc.AppendLimits(dst, d.limits()) })
	u.AddVPD(sbc.VPDCharacteristics, func(dst []byte, _ *scsi.Command) []byte {
		c := sbc.Characteristics{RotationRate: sbc.NonRotating, FUAB: true, VBULS: true}
		if d.rotational {
			c.RotationRate = sbc.RotationNotReported
		}
		return sbc.AppendCharacteristics(dst, &c)
	})
	u.AddVPD(sbc.VPDProvisioning, func(dst []byte, _ *scsi.Command) []byte {
		p := sbc.Provisioning{}
		if d.thin {
			p = sbc.Provisioning{LBPU: true, LBPWS: true, LBPWS10: true, LBPRZ: 1, Type: sbc.Thin}
		}
		return sbc.AppendProvisioning(dst, &p)
	})
}

// limits is VPD page B0h, and what UNMAP is checked against.
func (d *Disk) limits() *sbc.Limits {
	l := &sbc.Limits{
		MaxCompareAndWrite: d.maxCompare,
		OptGranularity:     1 << d.physExponent,
		MaxTransfer:        uint32(d.maxTransfer >> d.shift),
		OptTransfer:        d.optimalIO,
		MaxWriteSame:       d.maxWriteSame,
	}
	if d.thin {
		l.MaxUnmapBlocks, l.MaxUnmapExtents = maxUnmapBlocks, maxUnmapExtents
		l.UnmapGranularity, l.UnmapAligned = d.granularity, true
	}
	return l
}

// with makes a function of the table of one that needs the medium.
func (d *Disk) with(f func(*Disk, *scsi.Command, *medium) error) func(*scsi.Command) error {
	if !d.opts.Removable {
		return func(c *scsi.Command) error {
			m := d.med.Load()
			if m == nil {
				return d.absent()
			}
			return f(d, c, m)
		}
	}
	return func(c *scsi.Command) error {
		m := d.med.Load()
		if m == nil || !m.hold() {
			return d.absent()
		}
		defer m.release()
		if m.gone.Load() {
			return scsi.MediumNotPresent
		}
		return f(d, c, m)
	}
}

// absent is the sense of a disk without a medium.
func (d *Disk) absent() error {
	if d.open.Load() {
		return scsi.MediumTrayOpen
	}
	return scsi.MediumNotPresent
}

func (d *Disk) ready() error {
	m := d.med.Load()
	if m == nil {
		return d.absent()
	}
	return m.ready()
}

func (d *Disk) params() unit.Params {
	p := unit.Params{DeviceSpecific: spc.ParameterDPOFUA, WriteProtected: d.opts.ReadOnly, BlockSize: uint32(d.blockSize)}
	if m := d.med.Load(); m != nil {
		p.Descriptor, p.Blocks, p.WriteProtected = true, m.blocks.Load(), m.readOnly.Load()
	}
	return p
}

// selfTest reads the first and the last block, and flushes.
func (d *Disk) selfTest(ctx context.Context) error {
	m := d.med.Load()
	if m == nil || d.opts.Removable && !m.hold() {
		return d.absent()
	}
	if d.opts.Removable {
		defer m.release()
	}
	blocks := m.blocks.Load()
	if blocks > 0 {
		for _, lba := range [...]uint64{0, blocks - 1} {
			if err := d.readable(ctx, m, int64(lba)<<d.shift, int64(d.blockSize)); err != nil {
				return err
			}
		}
	}
	if !m.volatile {
		return nil
	}
	return m.ab.Flusher.Flush(ctx, 0, 0)
}
