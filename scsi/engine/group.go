package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goscst/goscst/scsi"
)

// Group is an initiator group: who it is for, and which logical units they see.
// Changes take effect at once, for the sessions that exist too, and interrupt no
// command of another logical unit. All methods may be called from any goroutine.
type Group struct {
	t    *Target
	name string
	luns atomic.Pointer[lunMap] // replaced under mu

	seq      uint64   // in the order of creation
	patterns []string // guarded by t.mu
	globs    []string // guarded by t.mu; of the chooser
	dropped  bool     // guarded by t.mu; not the target's any more

	mu      sync.Mutex
	members []*Session // guarded by mu
	removed bool       // guarded by mu; maps nothing any more
	leaving nexusList  // guarded by mu; those out of reach that are not over
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
	if !g.dropped {
		g.t.choose.add(g, pattern)
	}
	list := g.t.concerned(pattern)
	g.t.mu.Unlock()
	regroup(list)
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
	if !g.dropped {
		g.t.choose.remove(g, pattern)
	}
	list := g.t.concerned(pattern)
	g.t.mu.Unlock()
	regroup(list)
	return nil
}

// Initiators returns the patterns.
func (g *Group) Initiators() []string {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	return slices.Clone(g.patterns)
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
	c, err := g.change(lun, d, opts, false)
	if err != nil {
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, err)
	}
	c.finish()
	return nil
}

// Replace maps another device as logical unit lun in one step, or the same one with other
// options. Commands that are running end on the old device, new ones go to the new one,
// and the initiators are told by INQUIRY DATA HAS CHANGED. It waits for the old device's
// commands as Unmap does; when ctx is done first, the new device is there all the same.
func (g *Group) Replace(ctx context.Context, lun uint16, d *Device, opts *LUNOptions) error {
	if opts == nil {
		opts = &LUNOptions{}
	}
	if d == nil || d.e != g.t.e {
		return fmt.Errorf("engine: target %q: LUN %d: the device is not of this engine", g.t.name, lun)
	}
	c, err := g.change(lun, d, opts, true)
	if err != nil {
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, err)
	}
	c.finish()
	return awaitAll(ctx, c.gone)
}

// change is a change of a LUN map; what remains to be done without locks.
type change struct {
	from     *Device    // whose use ends; nil if the number was free
	gone     []*nexus   // out of reach, now or since an earlier change
	replaced []*nexus   // whose initiators are to learn that it is another device
	sessions []*Session // whose maps have changed
}

// change puts a device, nil for none, at a number that is mapped or not.
func (g *Group) change(lun uint16, d *Device, opts *LUNOptions, mapped bool) (c change, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	cur := g.luns.Load()
	old := cur.table.get(lun)
	switch {
	case d == nil && old == nil:
		if c.gone = g.left(lun); len(c.gone) == 0 {
			return c, ErrNotFound
		}
		return c, nil
	case mapped && old == nil, d != nil && g.removed:
		return c, ErrNotFound
	case !mapped && old != nil:
		return c, ErrExists
	}
	next := &lunMap{n: cur.n}
	var m *mapping
	if d != nil {
		if err := d.use(); err != nil {
			return c, err
		}
		m = &mapping{d, opts.ReadOnly}
		next.n++
	}
	if old != nil {
		c.from = old.d
		next.n--
	}
	next.table = cur.table.with(lun, m)
	g.luns.Store(next)
	for _, s := range g.members {
		was, n := s.replace(lun, m)
		switch {
		case was != nil && n != nil:
			c.replaced = append(c.replaced, n)
		case was != nil || n != nil:
			c.sessions = append(c.sessions, s)
		}
		if was != nil {
			g.depart(was)
		}
	}
	if mapped {
		c.gone = g.left(lun)
	}
	return c, nil
}

// depart notes nexuses that the initiators of the group cannot reach any more, before they
// are retired; mu is held.
func (g *Group) depart(list ...*nexus) {
	for _, n := range list {
		if n.left == nil {
			n.left = g
			g.leaving.add(n, &n.ofGroup)
		}
	}
}

// left returns what has been at a number and is not over; mu is held.
func (g *Group) left(lun uint16) (list []*nexus) {
	for n := range g.leaving.all {
		if n.LUN == lun {
			list = append(list, n)
		}
	}
	return list
}

// finish tells the initiators, lets the nexuses end that are out of reach, and gives the
// mapping's use of the device back.
func (c *change) finish() {
	for _, n := range c.replaced {
		n.event(scsi.InquiryDataChanged)
	}
	for _, s := range c.sessions {
		s.lunsChanged()
	}
	if c.from != nil {
		c.from.mu.Lock()
		c.from.mapped--
		c.from.mu.Unlock()
	}
	for _, n := range c.gone {
		n.retire()
	}
}

// Unmap takes logical unit lun away. New commands for it are refused at once; Unmap
// waits for those that are running to end, also those of initiators that have left the
// group or log out. When ctx is done first it returns ctx's error; the logical unit is gone
// all the same, and its last commands end by themselves. Unmap may be called again then: it
// waits for them, and fails with ErrNotFound if there are none any more.
func (g *Group) Unmap(ctx context.Context, lun uint16) error {
	c, err := g.change(lun, nil, nil, true)
	if err != nil {
		return fmt.Errorf("engine: target %q: LUN %d: %w", g.t.name, lun, err)
	}
	c.finish()
	return awaitAll(ctx, c.gone)
}

// Remove takes the group away: its initiators see the logical units of the group that
// they belong to then. It waits for running commands of logical units that they do not see
// any more, as Unmap does; when ctx is done first they are out of reach all the same, and
// Remove may be called again to wait for them. The default group stays.
func (g *Group) Remove(ctx context.Context) error {
	if g == g.t.def {
		return fmt.Errorf("engine: target %q: the default group stays", g.t.name)
	}
	g.t.mu.Lock()
	if !g.dropped {
		g.dropped = true
		g.t.groups = slices.DeleteFunc(g.t.groups, func(x *Group) bool { return x == g })
		for _, p := range g.patterns {
			g.t.choose.remove(g, p)
		}
	}
	g.patterns = nil
	g.t.mu.Unlock()
	regroup(g.t.sessionList())
	return g.clear(ctx)
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
	Device   string // its name
	ReadOnly bool   // as in LUNOptions
}

// clear unmaps everything, for good, and waits for all that has been there.
func (g *Group) clear(ctx context.Context) error {
	g.mu.Lock()
	g.removed = true
	list := g.LUNs()
	g.mu.Unlock()
	for _, l := range list {
		if c, err := g.change(l.LUN, nil, nil, true); err == nil { // else somebody else has done it
			c.finish()
		}
	}
	g.mu.Lock()
	left := slices.Collect(g.leaving.all)
	g.mu.Unlock()
	return awaitAll(ctx, left)
}

// join makes s a member and attaches its logical units.
func (g *Group) join(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(s)
	var edit lunEdit[*nexus]
	g.luns.Load().table.each(func(lun uint16, m *mapping) {
		if n := s.attach(lun, m, s.first()); n != nil {
			edit.set(lun, n)
		}
	})
	s.setLUNs(edit.done())
}

// add makes s a member; mu is held.
func (g *Group) add(s *Session) {
	s.member = len(g.members)
	g.members = append(g.members, s)
}

// leave takes s, which is a member, out; mu is held.
func (g *Group) leave(s *Session) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[s.member], g.members[last] = moved, nil
	moved.member = s.member
	g.members = g.members[:last]
}

// lockBoth locks two groups of a target, and returns what unlocks them.
func lockBoth(a, b *Group) (unlock func()) {
	if a.seq > b.seq {
		a, b = b, a
	}
	a.mu.Lock()
	b.mu.Lock()
	return func() {
		b.mu.Unlock()
		a.mu.Unlock()
	}
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
