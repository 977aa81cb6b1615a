package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// Group is an initiator group: who it is for, and which logical units they see.
// Changes take effect at once, for the sessions that exist too, and interrupt no
// command of another logical unit.
type Group struct {
	t    *Target
	name string
	luns atomic.Pointer[lunMap] // replaced under mu

	mu       sync.Mutex
	patterns []string   // guarded by t.mu
	members  []*Session // guarded by mu
}

// lunMap is what a group maps. It is never changed, only replaced.
type lunMap struct {
	n     int
	table lunTable[*mapping]
}

// mapping is one logical unit number of a group.
type mapping struct {
	d        *Device
	readOnly bool
}

func newGroup(t *Target, name string) *Group {
	g := &Group{t: t, name: name}
	g.luns.Store(&lunMap{})
	return g
}

// Name is the group's name; "" for the default group.
func (g *Group) Name() string { return g.name }

// AddInitiator makes the group responsible for the initiators whose names fit the
// pattern: `*` and `?` as wildcards, a leading `!` for all others, letters without
// case (see fabric.Match). The groups of a target are asked in the order of their
// creation. Sessions that exist move to the group that they belong to now.
func (g *Group) AddInitiator(pattern string) error {
	if pattern == "" || pattern == "!" {
		return fmt.Errorf("engine: group %q of target %q: initiator pattern %q is empty", g.name, g.t.name, pattern)
	}
	g.t.mu.Lock()
	if g.name == "" {
		g.t.mu.Unlock()
		return fmt.Errorf("engine: target %q: the default group takes no initiator patterns, got %q", g.t.name, pattern)
	}
	if slices.Contains(g.patterns, pattern) {
		g.t.mu.Unlock()
		return fmt.Errorf("engine: group %q: initiator pattern %q: %w", g.name, pattern, ErrExists)
	}
	g.patterns = append(g.patterns, pattern)
	g.t.mu.Unlock()
	g.t.regroup()
	return nil
}

// RemoveInitiator takes a pattern back. Sessions that exist move.
func (g *Group) RemoveInitiator(pattern string) error {
	g.t.mu.Lock()
	i := slices.Index(g.patterns, pattern)
	if i < 0 {
		g.t.mu.Unlock()
		return fmt.Errorf("engine: group %q: initiator pattern %q: %w", g.name, pattern, ErrNotFound)
	}
	g.patterns = slices.Delete(g.patterns, i, i+1)
	g.t.mu.Unlock()
	g.t.regroup()
	return nil
}

// Initiators returns the patterns.
func (g *Group) Initiators() []string {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	return slices.Clone(g.patterns)
}

// matches reports whether a pattern fits; t.mu is held.
func (g *Group) matches(initiator string) bool {
	for _, p := range g.patterns {
		if fabric.Match(p, initiator) {
			return true
		}
	}
	return false
}

// Map maps a device as logical unit lun, at most scsi.MaxLUN. The initiators of the
// group are told by a unit attention, REPORTED LUNS DATA HAS CHANGED.
func (g *Group) Map(lun uint16, d *Device, opts *LUNOptions) error {
	if opts == nil {
		opts = &LUNOptions{}
	}
	if lun > scsi.MaxLUN {
		return fmt.Errorf("engine: target %q: LUN is %d, 0 to %d is allowed", g.t.name, lun, scsi.MaxLUN)
	}
	if d == nil || d.e != g.t.e {
		return fmt.Errorf("engine: target %q: LUN %d: the device is not of this engine", g.t.name, lun)
	}
	members, err := g.add(lun, d, opts)
	if err != nil {
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, err)
	}
	for _, s := range members {
		s.lunsChanged()
	}
	return nil
}

// add is Map up to what happens under the lock; it returns whom to tell.
func (g *Group) add(lun uint16, d *Device, opts *LUNOptions) ([]*Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.luns.Load()
	if old.table.get(lun) != nil {
		return nil, ErrExists
	}
	if err := d.use(); err != nil {
		return nil, err
	}
	m := &mapping{d, opts.ReadOnly}
	g.luns.Store(&lunMap{old.n + 1, old.table.with(lun, m)})
	for _, s := range g.members {
		s.attach(lun, m)
	}
	return slices.Clone(g.members), nil
}

// Replace maps another device as logical unit lun in one step. Commands that are
// running end on the old device, new ones go to the new one, and the initiators are
// told by INQUIRY DATA HAS CHANGED. It waits for the old device's commands as Unmap does.
func (g *Group) Replace(ctx context.Context, lun uint16, d *Device, opts *LUNOptions) error {
	if opts == nil {
		opts = &LUNOptions{}
	}
	if d == nil || d.e != g.t.e {
		return fmt.Errorf("engine: target %q: LUN %d: the device is not of this engine", g.t.name, lun)
	}
	g.mu.Lock()
	cur := g.luns.Load()
	old := cur.table.get(lun)
	if old == nil {
		g.mu.Unlock()
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, ErrNotFound)
	}
	if err := d.use(); err != nil {
		g.mu.Unlock()
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, err)
	}
	m := &mapping{d, opts.ReadOnly}
	g.luns.Store(&lunMap{cur.n, cur.table.with(lun, m)})
	var gone []*nexus
	for _, s := range g.members {
		if n := s.detach(lun); n != nil {
			gone = append(gone, n)
		}
		if n := s.attach(lun, m); n != nil {
			n.replaceUA(scsi.InquiryDataChanged)
		}
	}
	g.mu.Unlock()
	return retire(ctx, old.d, gone)
}

// Unmap takes logical unit lun away. New commands for it are refused at once; Unmap
// waits for those that are running to end. When ctx is done first it returns ctx's
// error; the logical unit is gone all the same, and its last commands end by themselves.
func (g *Group) Unmap(ctx context.Context, lun uint16) error {
	g.mu.Lock()
	cur := g.luns.Load()
	m := cur.table.get(lun)
	if m == nil {
		g.mu.Unlock()
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, ErrNotFound)
	}
	g.luns.Store(&lunMap{cur.n - 1, cur.table.with(lun, nil)})
	var gone []*nexus
	for _, s := range g.members {
		if n := s.detach(lun); n != nil {
			gone = append(gone, n)
		}
	}
	members := slices.Clone(g.members)
	g.mu.Unlock()
	for _, s := range members {
		s.lunsChanged()
	}
	return retire(ctx, m.d, gone)
}

// retire lets nexuses end that are out of reach, gives the mapping's use of the device
// back, and waits for the last commands.
func retire(ctx context.Context, d *Device, gone []*nexus) error {
	d.mu.Lock()
	d.mapped--
	d.mu.Unlock()
	for _, n := range gone {
		n.retire()
	}
	for _, n := range gone {
		if err := n.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// LUNs returns the mapped logical units in ascending order.
func (g *Group) LUNs() []LUNInfo {
	var out []LUNInfo
	m := g.luns.Load()
	m.table.each(func(lun uint16, m *mapping) {
		out = append(out, LUNInfo{lun, m.d.name, m.readOnly})
	})
	return out
}

// LUNInfo describes a logical unit number of a group.
type LUNInfo struct {
	LUN      uint16
	Device   string
	ReadOnly bool
}

// clear unmaps everything.
func (g *Group) clear(ctx context.Context) error {
	for _, l := range g.LUNs() {
		if err := g.Unmap(ctx, l.LUN); err != nil {
			return err
		}
	}
	return nil
}

// join makes s a member and attaches its logical units.
func (g *Group) join(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, s)
	s.group.Store(g)
	g.luns.Load().table.each(func(lun uint16, m *mapping) { s.attach(lun, m) })
}

// leave takes s out.
func (g *Group) leave(s *Session) {
	g.mu.Lock()
	if i := slices.Index(g.members, s); i >= 0 {
		g.members = slices.Delete(g.members, i, i+1)
	}
	g.mu.Unlock()
}

// use counts a mapping of the device.
func (d *Device) use() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.removed {
		return ErrNotFound
	}
	d.mapped++
	return nil
}
